#!/usr/bin/perl

# An event is written into the worker's buffer: a request allocates no more
# with an audit than without, and takes no more locks.  Its reference is nginx's
# $request_id, 32 bytes of the request's pool, which has room for them here.

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

my $nginx = $t->nginx($t->conf(workers => 1, http => <<'END',
    keepalive_requests  10000;
    request_pool_size   8k;

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=2g per=1h;
    }
END
    server => <<'END2'));
        gate  counted;

        location /off/ { alias %%DIR%%/docs/; }
        location /on/  {
            gate_audit  file %%DIR%%/audit.json;
            gate_audit  file %%DIR%%/chain.json chain=on;
            alias       %%DIR%%/docs/;
        }
END2

my $client = $t->client;

passed($_, 10) for qw(/off/small /on/small);

for my $what (qw(ngx_alloc ngx_memalign ngx_http_gate_zone_lock)) {
    my %n;

    for my $uri (qw(/off/small /on/small)) {
        my $gdb = Test::Gate::Debugger->new($nginx->workers);

        $gdb->count($what);
        is(passed($uri, $requests), $requests, "$what, $uri: requests pass");
        $n{$uri} = $gdb->counted;
    }

    # sanitizers make a pool's allocations ones of their own

    next if $ENV{TEST_SANITIZE} && $what ne 'ngx_http_gate_zone_lock';

    # a few are of the worker's timers

    cmp_ok($n{'/on/small'}, '<=', $n{'/off/small'} + 40,
           "$what: no more with an audit ($n{'/on/small'} of "
           . "$n{'/off/small'})");
}

is(scalar(() = $t->logged(3 * $requests + 10, 'audit.json') =~ /download/), 1,
   'and each was told');

$t->done;


sub passed {
    my ($uri, $n) = @_;

    return scalar grep {
        $client->request($uri, headers => { 'X-User' => 'alice' })
               ->{status} == 200
    } 1 .. $n;
}
