#!/usr/bin/perl

# A page that is put together from subrequests costs what leaves, once, and no
# subrequest lets out what a request of its own would be refused.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('alice', email => 'alice@example.jp');
$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('report', 150_000);
my $head = $t->document('head', 3_000);
my $foot = $t->document('foot', 4_000);

$t->write_file('docs/ssi/page', 'A<!--# include virtual="/report" -->B'
               . '<!--# include virtual="/proxied/report" -->C');
$t->write_file('docs/free/page', 'A<!--# include virtual="/cert/report" -->B');
$t->write_file('docs/free/more', 'A<!--# include virtual="/other/report" -->B');
$t->write_file('docs/ssi/refused', 'A<!--# include virtual="/cert/report" -->'
               . 'B<!--# include virtual="/free/report" -->C');
$t->document('free/report', 150_000);

my $redis = $t->redis;

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 2s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }

    gate_policy people {
        user         $gate_cert_email;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }

    gate_policy other {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }

    server {
        listen      unix:%%DIR%%/backend.sock;
        access_log  %%DIR%%/backend.log;
        root        %%DIR%%/docs;

        location /yes { return 204; }
        location /no  { return 403 "no, with a long story"; }
    }
END
        gate  counted;

        location / { }
        location /proxied/ { proxy_pass http://unix:%%DIR%%/backend.sock:/; }
        location /ssi/ {
            ssi        on;
            ssi_types  *;
        }
        location /added/ {
            alias               %%DIR%%/docs/;
            add_before_body     /head;
            add_after_body      /foot;
            addition_types      *;
        }
        location /asked/ {
            alias         %%DIR%%/docs/;
            auth_request  /ask/yes;
        }
        location /forbidden/ {
            alias         %%DIR%%/docs/;
            auth_request  /ask/no;
        }
        location /ask/ {
            internal;
            proxy_pass               http://unix:%%DIR%%/backend.sock:/;
            proxy_pass_request_body  off;
            proxy_set_header         Content-Length "";
        }
        location /mirrored/ {
            alias   %%DIR%%/docs/;
            mirror  /mirror;
        }
        location /mirror {
            internal;
            proxy_pass  http://unix:%%DIR%%/backend.sock:/report;
        }
        location /sliced/ {
            slice             16k;
            proxy_set_header  Range $slice_range;
            proxy_pass        http://unix:%%DIR%%/backend.sock:/;
        }

        location /cert/ {
            gate   people;
            alias  %%DIR%%/docs/;
        }
        location /certany/ {
            gate     people;
            satisfy  any;
            allow    all;
            alias    %%DIR%%/docs/;
        }
        location /other/ {
            gate   other;
            alias  %%DIR%%/docs/;
        }
        location /free/ {
            gate       off;
            ssi        on;
            ssi_types  *;
        }
END2

# uri, what for, status, body

my @pages = (
    [ '/ssi/page', 'SSI', 200, "A${document}B${document}C" ],
    [ '/added/report', 'add_before_body', 200, "$head$document$foot" ],
    [ '/asked/report', 'auth_request', 200, $document ],
    [ '/mirrored/report', 'mirror', 200, $document ],
    [ '/sliced/report', 'slice', 200, $document ],
);

my (@came, $n);

for my $http ('1.1', '2') {
    for (@pages) {
        my ($uri, $what, $status, $body) = @$_;
        my $user = 'user' . ++$n;
        my $r = $t->as($http, $user, $uri);

        ok($r->{status} == $status && $r->{body} eq $body,
           "HTTP/$http: $what: the page came");
        push @came, [ $user, length $body, 1, "HTTP/$http: $what" ];
    }

    my $r = $t->as($http, "part-$http", '/sliced/report',
                   headers => { Range => 'bytes=10000-50000' });
    is("$r->{status} " . length $r->{body}, '206 40001',
       "HTTP/$http: a range of slices");
    push @came, [ "part-$http", 40_001, 1, "HTTP/$http: a range of slices" ];

    $r = $t->as($http, "no-$http", '/forbidden/report');
    is($r->{status}, 403, "HTTP/$http: auth_request says no");
    push @came, [ "no-$http", length $r->{body}, 1,
                  "HTTP/$http: auth_request that says no" ];

    # what is included from a place without a gate is counted

    $r = $t->as($http, "more-$http", '/free/more');
    ok($r->{body} eq "A${document}B", "HTTP/$http: a page without a gate");
    is($t->taken($redis, "{more-$http}:other", 150_000, 1), '150000 1',
       "HTTP/$http: costs what it includes");

    # no certificate

    $r = $t->as($http, "some-$http", '/ssi/refused');
    cmp_ok(length $r->{body}, '>', 150_000,
           "HTTP/$http: a page goes on after an include that is refused");
    push @came, [ "some-$http", length $r->{body}, 1,
                  "HTTP/$http: a page with a refused include" ];

    $r = $t->as($http, "none-$http", '/free/page');
    is($r->{status}, 200, "HTTP/$http: a page without a gate");
    is(index($r->{body}, substr $document, 0, 50), -1,
       "HTTP/$http: includes nothing that needs a certificate");

    $r = $t->as($http, "none-$http", '/certany/report');
    is($r->{status}, 403, "HTTP/$http: \"satisfy any\" does not overrule");
}

# with one it is let in, and counted

for my $http ('1.1', '2') {
    my $r = $t->as($http, 'x', '/certany/report', cert => 'alice');
    ok($r->{body} eq $document, "HTTP/$http: with a certificate it passes");
}

is($t->taken($redis, '{alice@example.jp}:people', 300_000, 2), '300000 2',
   'with a certificate: costs what came');

for (@came) {
    my ($user, $bytes, $requests, $what) = @$_;
    is($t->taken($redis, "{$user}:counted", $bytes, $requests),
       "$bytes $requests", "$what: costs what came, once");
}

$t->done;
