#!/usr/bin/perl

# The usage ledger through faults: reloads, a worker that is killed, Redis that
# is away or whose answer is lost, the end of nginx.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::Gate::Usage;
use Test::More;

my $mib = 1024 * 1024;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document("alpha/$_", 1000) for 1 .. 20;
$t->document('alpha/long', 20 * $mib);

my $redis = $t->redis;
my $usage = Test::Gate::Usage->new($t, $redis);

my $conf = $t->conf(http => <<'END', server => <<'END2');
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 500ms; }

    map $uri $project { ~^/(?<p>[^/]+)/ $p; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        project      $project;
    }
END
        gate  counted;

        location /slow/ { alias %%DIR%%/docs/alpha/; limit_rate 1m; }
        location /pid { gate off; return 200 $pid; }
END2

my $nginx = $t->nginx($conf);

# a reload

my $client = $t->client;

$client->send('/alpha/long', headers => { 'X-User' => 'reload' });
$client->more;

is(status('reload', 1), 200, 'before a reload');
$nginx->reload($conf);
is(status('reload', 2), 200, 'and after it');
is(length $client->response('GET')->{body}, 20 * $mib, 'a download over it');

my $all = 20 * $mib + 2000;

is(of('reload', "#total: $all 3 3, alpha: $all 3 3"),
   "#total: $all 3 3, alpha: $all 3 3", 'a reload loses nothing');
undef $client;

# a worker is killed, when Redis was not told yet

my ($dies, $lives) = $nginx->workers;
my %by = map { $_ => $t->client_of($_) } $dies, $lives;

is($by{$_}->request('/alpha/1', headers => { 'X-User' => 'killed' })->{status},
   200, 'a request by a worker') for $dies, $lives;

my $download = $t->client_of($dies);

$download->send('/slow/long', headers => { 'X-User' => 'cut' });
$download->more until length $download->{buffer} > 500_000;

$nginx->{expected} = qr/worker process \d+ exited on signal 9$/;
kill KILL => $dies;
$t->wait_for(sub { 2 == grep { $_ != $dies } $nginx->workers });

my $got = length $download->response('GET')->{body};

is(of('killed', '#total: 2000 2 1, alpha: 2000 2 1'),
   '#total: 2000 2 1, alpha: 2000 2 1', 'what it had counted is written down');

my $bytes;

$t->wait_for(sub {
    my %cut = $usage->user('cut');

    ($bytes) = ($cut{slow} // '') =~ /^(\d+) 0 0$/;
    return ($bytes // 0) >= $got;
});

cmp_ok($bytes // 0, '>=', $got, 'and of a download all that the client got');
cmp_ok($bytes // 0, '<=', $got + 4 * $mib,
       'and what nginx had passed on besides');

# the answer to a batch is lost: Redis hears it when the gate has given up

for my $n (1 .. 3) {
    my $user = "lost$n";

    is(status($user, 1), 200, 'a request');
    is(of($user, '#total: 1000 1 1, alpha: 1000 1 1'),
       '#total: 1000 1 1, alpha: 1000 1 1', 'is told, the next in 2 s');

    is(status($user, $_), 200, 'others') for 1 .. 5;

    my $lost = $nginx->said(qr/redis is lost/);

    $redis->halt;
    ok($t->wait_for(sub { $nginx->said(qr/redis is lost/) > $lost }),
       'Redis does not answer');
    is(status($user, 6), 200, 'more comes meanwhile');
    $redis->go_on;

    is(of($user, '#total: 7000 7 6, alpha: 7000 7 6'),
       '#total: 7000 7 6, alpha: 7000 7 6', 'all is there, once');
}

# away, and empty when it comes back

$redis->kill;
is(status('away', $_), 200, 'Redis is away, who has no quota passes')
    for 1 .. 20, 1 .. 20;
$redis->start;
is(of('away', '#total: 40000 40 20, alpha: 40000 40 20'),
   '#total: 40000 40 20, alpha: 40000 40 20', 'what it did not know is told');

# the end

is(status('end', $_), 200, 'at the end') for 1 .. 3;
$nginx->stop;
is(join(', ', map { my %is = $usage->user('end'); "$_: $is{$_}" }
              'alpha'),
   'alpha: 3000 3 3', 'nginx writes down what is left');

$t->done;

sub status {
    my ($user, $n) = @_;

    return $t->as('1.1', $user, "/alpha/$n")->{status};
}

sub of {
    my ($user, $expected) = @_;

    return $usage->becomes('user', $user, $expected);
}
