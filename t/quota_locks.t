#!/usr/bin/perl

# A request that finds credit takes the zone's lock three times at most: gdb
# counts how often a worker comes there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::Gate::Debugger;
use Test::More;

plan skip_all => 'gdb may not stop a process here'
    unless Test::Gate::Debugger::works();

my $requests = 200;

my $t = Test::Gate->new;

$t->file_by_file;
$t->countries('203.0.113.0/24' => 'JP');
$t->document('small', 1000);
$t->redis;

for my $ledger ('Redis', 'the zone') {
    my $port = $t->port;
    my $nginx = $t->nginx(conf($ledger eq 'Redis'), port => $port);
    my $client = $t->client(port => $port);

    is(passed($client, 10), 10, "$ledger: a user has credit");

    my $gdb = Test::Gate::Debugger->new($nginx->workers);

    $gdb->count('ngx_http_gate_zone_lock');

    is(passed($client, $requests), $requests, "$ledger: requests pass");

    my $locks = $gdb->counted;

    # a few are of the worker itself, which looks for idle accounts

    cmp_ok($locks, '>=', $requests, "$ledger: locks were counted ($locks)");
    cmp_ok($locks, '<=', 3 * $requests + 60,
           "$ledger: three a request at most");
}

$t->done;

sub passed {
    my ($client, $n) = @_;

    return scalar grep {
        $client->request('/small', headers => { 'X-User' => 'alice' })
               ->{status} == 200
    } 1 .. $n;
}

sub conf {
    my ($redis) = @_;

    my $store = $redis ? 'gate_redis { server unix:%%DIR%%/redis0.sock; }'
                       : '';
    my $noon = $t->noon;

    return $t->conf(workers => 1, http => <<"END", server => <<'END2');
    $store
    keepalive_requests  10000;

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=2g per=day $noon;
        quota        requests=100k per=1h;
        quota        documents=100 per=day $noon;
    }
END
        gate  counted;
END2
}
