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
my $second = $t->port;

$t->nginx($conf =~ s/access\.log/second.log/r, port => $second);

# one node, and Redis loses its scripts too

is(delivered('alice', 4), 4, 'four documents of ten');

$redis->command('FLUSHALL');
$redis->command('SCRIPT', 'FLUSH');

is(delivered('alice', $limit), $limit - 4, 'then only the other six');
cmp_ok($nginx->said(qr/\[warn\].*lost the count of account "\{alice\}/),
       '>', 0, 'the error log says that the count was lost');
is(settled('alice', $limit), $limit * $size,
   'Redis holds what was delivered, before and after');

# what is quiet was told already: a node that knows of both tells both

is(delivered('bob', 2, $second), 2, 'two documents by one node');
is(settled('bob', 2), 2 * $size, 'which are counted');
is(delivered('bob', 3), 3, 'three by another');

$redis->command('FLUSHALL');

is(delivered('bob', $limit), $limit - 5, 'then only the other five');
is(delivered('bob', 1, $second), 0, 'and none by the first');
cmp_ok($nginx->said(qr/\[warn\].*lost the count of account "\{bob\}/),
       '>', 0, 'the error log says that the count was lost');
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
});

is($more, $limit - 4, 'Redis was started anew: the other six');
is($status, 429, 'and no more');
is(settled('carol', $limit), $limit * $size, 'Redis holds all of them');

$t->done;

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
