#!/usr/bin/perl

# Redis forgets everything in the middle of the day: nodes tell it again what
# they know, and a user gets no more than the limit.

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
    }
END
    server => '        gate  counted;');

my $nginx = $t->nginx($conf);
my ($second, $third) = ($t->port, $t->port);

$t->nginx($conf =~ s/access\.log/second.log/r, port => $second);
$t->nginx($conf =~ s/access\.log/third.log/r, port => $third);

# one node, and Redis loses its scripts too

is(delivered('alice', 4), 4, 'four documents of ten');

$redis->command('FLUSHALL');
$redis->command('SCRIPT', 'FLUSH');

is(delivered('alice', $limit), $limit - 4, 'then only the other six');
cmp_ok($nginx->said(qr/\[info\].*lost the count of account "\{alice\}/),
       '>', 0, 'the error log says whose count was lost');
is($nginx->said(qr/\[warn\].*redis lost its memory/), 1,
   'and once that Redis lost its memory');
is(settled('alice', $limit), $limit * $size,
   'Redis holds what was delivered, before and after');

# what is quiet was told already: a node that knows of both tells both

is(delivered('bob', 2, $second), 2, 'two documents by one node');
is(settled('bob', 2), 2 * $size, 'which are counted');
is(delivered('bob', 3), 3, 'three by another');

$redis->command('FLUSHALL');

is(delivered('bob', $limit), $limit - 5, 'then only the other five');
is(delivered('bob', 1, $second), 0, 'and none by the first');
is($nginx->said(qr/\[warn\].*redis lost its memory/), 2,
   'the error log says so once more');
is(settled('bob', $limit), $limit * $size, 'Redis holds all of them');

# a Redis that was started anew

is(delivered('carol', 4), 4, 'four documents');

$redis->kill;
$redis->start;

my ($more, $status) = (0);

$t->wait_for(sub {
    $status = status('carol');
    $more++ if $status == 200;
    return $status == 429;
}, 120);

is($more, $limit - 4, 'Redis was started anew: the other six');
is($status, 429, 'and no more');
is(settled('carol', $limit), $limit * $size, 'Redis holds all of them');

# a node that knows nothing of a user waits for those that do

is(delivered('dave', 4), 4, 'four documents by one node');
is(settled('dave', 4), 4 * $size, 'which are counted');
is(delivered('dave', 3, $second), 3, 'three by another');
is(settled('dave', 7), 7 * $size, 'which are counted');

$redis->command('FLUSHALL');

is(delivered('dave', $limit, $third), 3, 'then only three by a third node');
is(settled('dave', $limit), $limit * $size, 'Redis holds all of them');

# as a failover does that lost the last writes: older data, another server

is(delivered('erin', 2), 2, 'two documents by one node');
is(settled('erin', 2), 2 * $size, 'which are counted');

$redis->command('SAVE');

is(delivered('erin', 2), 2, 'two more');
is(settled('erin', 4), 4 * $size, 'which are counted');
is(delivered('erin', 3, $second), 3, 'three by another node');
is(settled('erin', 7), 7 * $size, 'which are counted');

$redis->kill;
$redis->start;

is($t->granted($redis, '{erin}:counted', 'bytes-day'), 2 * $size,
   'Redis knows the first two only');
is(passed('erin', $third), 3, 'then only three by a third node');
is(settled('erin', $limit), $limit * $size, 'Redis holds all of them');

# one account is gone, as by eviction: who misses it tells all

is(delivered('frank', 4), 4, 'four documents by one node');
is(settled('frank', 4), 4 * $size, 'which are counted');
is(delivered('frank', 3, $second), 3, 'three by another');
is(settled('frank', 7), 7 * $size, 'which are counted');

$redis->command('DEL', 'gate:{frank}:counted');

is(delivered('frank', $limit), 3, 'then only three by the one that knew less');
is(settled('frank', $limit), $limit * $size, 'Redis holds all of them');

# many accounts, few at a time

my @many = map { "user$_" } 1 .. 300;

is((grep { status($_, /[13579]$/ ? $second : undef) == 200 } @many),
   300,
   'a document each for many users');

$t->wait_for(sub {
    $t->granted($redis, "{$many[-1]}:counted", 'bytes-day') == $size
});

$redis->command('FLUSHALL');

is((grep { delivered($_, $limit, $third) == $limit - 1 } @many[0, 150, 299]),
   3, 'and nine for each of some by a node that knew none of them');
is((grep { $t->granted($redis, "{$_}:counted", 'bytes-day') >= $size } @many),
   300, 'Redis was told of all');
ok($t->wait_for(sub { !grep { unfinished($_) } @many }),
   'and when it was, what nobody named was made up');

$t->done;

# What nodes knew to be granted to all waits for the epoch to open.

sub unfinished {
    my ($user) = @_;

    return grep { /^~/ } @{ $redis->command('HKEYS', "gate:{$user}:counted") };
}

# Redis is being started: how many pass before a refusal

sub passed {
    my ($user, $port) = @_;

    my $more = 0;

    $t->wait_for(sub {
        my $status = status($user, $port);
        $more++ if $status == 200;
        return $status == 429;
    }, 120);

    return $more;
}

sub delivered {
    my ($user, $n, $port) = @_;

    return scalar grep { status($user, $port) == 200 } 1 .. $n;
}

sub status {
    my ($user, $port) = @_;

    return $t->as('1.1', $user, '/document', port => $port // $t->{port})
             ->{status};
}

sub settled {
    my ($user, $n) = @_;

    return $t->settled($redis, "{$user}:counted", 'bytes-day', $n * $size);
}
