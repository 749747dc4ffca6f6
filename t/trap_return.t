#!/usr/bin/perl

# The last gate: "return" answers before the gate's phase, in a location, a
# server, a subrequest or an error page; whoever may not have it does not get
# it, who may does, and it costs what any response costs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->certificate('alice', email => 'alice@example.jp');
$t->write_file('docs/open/page', 'A<!--# include virtual="/secret" -->Z');
$t->write_file('docs/open/big', 'A<!--# include virtual="/big" -->Z');

my $redis = $t->redis;
my $port = $t->port;
my $plain = $t->port;

$t->nginx($t->conf(http => <<"END", server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 2s; }
    gate_policy staff { certificate required; }
    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=200 per=day;
        quota        requests=100 per=day;
    }
    gate_policy nowhere { certificate off; allow_country DE; }

    server {
        listen  127.0.0.1:$plain;
        gate    staff;
        if (\$arg_moved) { return 301 https://localhost/secret; }
        return  200 "secret";
    }
END
        location = /secret   { gate staff; return 200 "secret"; }
        location = /teapot   { gate staff; return 418 "secret"; }
        location = /moved    { gate staff; return 302 /secret; }
        location = /none     { gate staff; return 204; }
        location = /missing  { gate staff; return 404; }
        location = /code     { gate staff; return 403 "secret"; }
        location = /dry      { gate staff; gate_dry_run on;
                               return 200 "secret"; }
        location = /any      { gate staff; satisfy any; allow all;
                               return 200 "secret"; }
        location = /if       { gate staff;
                               if ($request_method = GET) {
                                   return 200 "secret";
                               } }
        location = /counted  { gate counted; return 200 "0123456789"; }
        location = /big      { gate counted; return 200 "0123456789"; }
        location = /nowhere  { gate nowhere; return 200 "secret"; }
        location = /ok       { gate staff; error_page 404 =200 /secret;
                               return 404; }
        location = /lost     { gate staff; error_page 404 /secret;
                               return 404; }
        location /open/      { gate off; ssi on; ssi_types *;
                               alias %%DIR%%/docs/open/; }
        location = /shown    { gate staff; error_page 403 /page;
                               return 200 "secret"; }
        location = /page     { gate staff; return 200 "the page"; }
END2

for my $http ('1.1', '2') {

    # path, without a certificate, with one

    for ([ '/secret', 403, '200 secret' ],
         [ '/teapot', 403, '418 secret' ],
         [ '/none', 403, '204 ' ],
         [ '/any', 403, '200 secret' ],
         [ '/if', 403, '200 secret' ],
         [ '/nowhere', 403, 403 ],
         [ '/code', 403, '403 secret' ],
         [ '/ok', 403, '200 secret' ],
         [ '/lost', 403, '404 secret' ],
         [ '/shown', '403 the page', '200 secret' ],
         [ '/dry', '200 secret', '200 secret' ],

         # of these nginx makes the page itself

         [ '/moved', 302, 302 ],
         [ '/missing', 404, 404 ])
    {
        my ($path, @said) = @$_;

        for my $cert (undef, 'alice') {
            my ($status, $body) = ask($http, $path, $cert);
            my $want = shift @said;

            is($want =~ / / ? "$status $body" : $status, $want,
               "HTTP/$http $path " . ($cert // 'without a certificate'));
            unlike($body, qr/secret/, 'and not a byte of it')
                unless $want =~ /secret/;
        }
    }

    my ($status, $body) = ask($http, '/open/page');

    is($status, 200, "HTTP/$http: a public page");
    unlike($body, qr/secret/, 'does not include it');
    (undef, $body) = ask($http, '/open/page', 'alice');
    is($body, 'AsecretZ', 'but for who may have it');
}

is($t->get('/', port => $plain, plain => 1)->{status}, 403, 'in a server');
is($t->get('/?moved=1', port => $plain, plain => 1)->{status}, 301,
   'which may send to another');
is($t->client(cert => undef)->request('/secret', method => 'HEAD')->{status},
   403, 'HEAD');

# it is counted, also when the ledger has to be asked first

for my $http ('1.1', '2') {
    my $user = "user$http" =~ s/\.//r;
    my $r = $t->as($http, $user, '/counted');

    is($r->{status}, 200, "HTTP/$http: the ledger is asked, and it comes");
    is($r->{body}, '0123456789', 'as it is');

    $t->as($http, $user, '/counted') for 1 .. 9;
    is($t->taken($redis, "{$user}:counted", 100, 10), '100 10',
       'and is counted in all units');
    $t->as($http, $user, '/counted') for 1 .. 10;
    $r = $t->as($http, $user, '/counted');
    is($r->{status}, 429, 'until it is used up');
    ok($r->{headers}{'retry-after'}, 'when it opens again');
}

# a subrequest cannot wait for a verdict: it is none until there is credit

ok($t->wait_for(sub {
       $t->as('1.1', 'sub', '/open/big')->{body} eq 'A0123456789Z';
   }), 'a subrequest is included once there is credit');

$t->done;

sub ask {
    my ($http, $path, $cert) = @_;
    my $r = $t->curl($path, http => $http, cert => $cert);

    return ($r->{status}, $r->{body});
}
