#!/usr/bin/perl

# Redis runs out of memory.  If its policy evicts, as it should not, accounts are
# gone, and nodes tell them again; if not, it refuses to write: nothing is
# granted, and nothing is lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $size = 1024 * 1024;
my $limit = 10;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', $size);

my $redis = $t->redis;
my $conf = $t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/er,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day %%NOON%%;
        lease        64k idle=1s;
    }
END
    server => '        gate  counted;');

my @ports = map { $t->port } 0, 1;

$t->nginx($conf, port => $_) for @ports;

# evicted

is(delivered('alice', 3, 0), 3, 'three documents by one node');
is(settled('alice', 3), 3 * $size, 'which are counted');
is(delivered('alice', 2, 1), 2, 'two by another');
is(settled('alice', 5), 5 * $size, 'which are counted');

memory('allkeys-random', 1);
eval { $redis->command('SET', 'another', 'x') };
memory('allkeys-random', 0);

is($redis->command('EXISTS', 'gate:{alice}:counted'), 0,
   'evicted: the account is gone');
is(delivered('alice', $limit, 0) + delivered('alice', $limit, 1), 5,
   'evicted: only the other five, over both nodes');
is(settled('alice', $limit), $limit * $size, 'evicted: Redis has all of them');

# refused

is(delivered('bob', 3, 0), 3, 'three documents');
is(settled('bob', 3), 3 * $size, 'which are counted');

memory('noeviction', 1);

is(status('bob', 0), 503, 'out of memory: unavailable');
is(status('carol', 0), 503, 'out of memory: to who is new as well');

memory('noeviction', 0);

is(delivered('bob', $limit, 0), $limit - 3, 'there is memory: the other seven');
is(settled('bob', $limit), $limit * $size, 'Redis has all of them');

$t->done;

sub memory {
    my ($policy, $bytes) = @_;

    $redis->command('CONFIG', 'SET', 'maxmemory-policy', $policy);
    $redis->command('CONFIG', 'SET', 'maxmemory', $bytes);
}

sub delivered {
    my ($user, $n, $node) = @_;

    return scalar grep { status($user, $node) == 200 } 1 .. $n;
}

sub status {
    my ($user, $node) = @_;

    return $t->as('1.1', $user, '/document', port => $ports[$node])->{status};
}

sub settled {
    my ($user, $n) = @_;

    return $t->settled($redis, "{$user}:counted", 'bytes-day', $n * $size);
}
