#!/usr/bin/perl

# familiar.lua: the days of a user in a country, as Redis keeps them.  The
# clock is replaced in the script: redis.call('TIME') becomes KEYS[2] and
# KEYS[3], and KEYS[4] is the server's run id.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $redis = $t->redis;

my $day = 86400;
my $today = 30_000;
my $epoch = 7;

my $script = join '', map { $t->read_file($t->top . "/module/ledger/$_.lua") }
                          qw(epoch familiar);

is($script =~ s/redis\.call\('TIME'\)/{ KEYS[2], KEYS[3] }/g, 1,
   'the script looks at the clock once');
is($script =~ s/redis\.call\('INFO', 'server'\):match\S+/KEYS[4]/g, 1,
   'and at the server once');

# a user is seen, day after day

start();

is(look('JP'), '0 0 0 0', 'nothing is known of a new user');
is(hash(), '', 'and looking writes nothing');
is(here('JP'), '30000 0 0 1', 'his first day in a country');
is(hash(), 'JP=30000 since=30000', 'which is written');
is(here('JP'), '30000 0 0 1', 'the same day again');
is(hash(), 'JP=30000 since=30000', 'is the same day');
is(look('DE'), '30000 0 0 0', 'another country has no days');

$today++;
is(look('JP'), '30000 0 0 0', 'the next day he was not seen yet');
here('JP');
$today++;
is(here('JP'), '30000 30000 30000 1', 'three days: the third last is told');
is(hash(), 'JP=30002,30001,30000 since=30000', 'latest first');
is(look('JP', days => 1), '30000 30002 30002 1', 'or the last, if one will do');
is(look('JP', days => 4), '30000 0 0 1', 'or none, if four are wanted');
is(here('DE'), '30000 0 30000 1', 'of another country: its own, and the best');

# days end

$today += 89;
is(look('JP'), '30000 30000 30000 0', 'looking forgets nothing');
here('DE');
is(hash(), 'DE=30091,30002 JP=30002,30001,30000 since=30000',
   'some days of a country are too old, others not');
$today++;
is(here('DE'), '30000 0 0 1', 'now all are, and of the other country some');
is(hash(), 'DE=30092,30091,30002 since=30000', 'the country is forgotten');

start();
$today = 30_000;
here('JP'), $today++ for 1 .. 40;
is(hash(), 'JP=' . join(',', reverse 30_009 .. 30_039) . ' since=30000',
   'of a country, 31 days are kept');

# a user is forgotten when he has not been seen for long

is(expires(), 30_039 + 91, 'the hash ends when all of it is too old');
here('JP');
is(expires(), 30_040 + 91, 'a day later if he is seen');
look('JP');
is(expires(), 30_040 + 91, 'but not if somebody looks');

# what an administrator writes

start();
$today = 30_000;
here('JP');
command('HSET', 'user', 'DE', 'always');
is(look('DE'), '30000 65535 65535 1', 'always is always');
is(look('JP'), '30000 0 65535 1', 'and the best there is');
is(here('DE'), '30000 65535 65535 1', 'nothing is to be written');
is(hash(), 'DE=always JP=30000 since=30000', 'nor is it');
cmp_ok(expires(), '>', 60_000, 'and it is not forgotten');
$today += 200;
here('DE');
is(hash(), 'DE=always since=30000', 'other days are');
command('HDEL', 'user', 'DE');
is(look('DE'), '30000 0 0 0', 'what he deletes is gone');

for (['perhaps', '30000 0 0 0'], ['', '30000 0 0 0'],
     ['29999, 30001 30000', '30000 29999 29999 0'],
     ['99999999999999999999,1,2', '30000 1 1 1'], ['-5', '30000 0 0 0'])
{
    command('HSET', 'user', 'FR', $_->[0]);
    is(look('FR'), $_->[1], "what he should not: \"$_->[0]\"");
}

# marks

is((ask('JP', 0))[2], 0, 'an epoch without marks');
command('HINCRBY', 'epoch', 'marks', 5);
is((ask('JP', 0))[2], 5, 'marks are told');
command('HSET', 'epoch', 'marks', $_), cmp_ok((ask('JP', 0))[2], '>=', 0,
                                              "marks: $_")
    for '-1', 'x', '99999999999999999999';

# Redis forgets, nodes do not

my @known = (epoch => 6, since => 29_000);

start();
$today = 30_000;
is(look('JP', @known, day => 29_950), '29000 29950 29950 0',
   'what a node knows of an epoch before is told again');
is(hash(), 'JP=29952,29951,29950 since=29000', 'as days that make it so');
is(look('JP', epoch => 6, since => 29_500, day => 29_940),
   '29000 29950 29950 0', 'another that knows less adds nothing');
is(look('JP', epoch => 6, since => 28_000, day => 29_999),
   '28000 29999 29999 1', 'one that knows more does');

start();
is(look('JP', epoch => $epoch, since => 29_000, day => 29_950), '0 0 0 0',
   'of this epoch nothing is told again: somebody may have deleted it');
is(look('JP', epoch => 0, since => 29_000, day => 29_950), '0 0 0 0',
   'nor by who knows nothing');
is(look('JP', @known, day => 65535), '29000 65535 65535 1',
   'always is told again, too');
is(look('DE', @known, day => 0), '29000 0 65535 0',
   'who was nowhere else is only as old as he is');
is(look('DE', @known, day => 29_000), '29000 0 65535 0',
   'days that are too old make nothing usual');
is(hash(), 'JP=always since=29000', 'and are not kept');

# the time that is left of a day

start();
is((ask('JP', 0))[4], 1000 * ($day - 3600), 'ms left of the day');

$t->done;

sub start {
    $redis->command('FLUSHALL');
    $redis->command('HSET', 'epoch', id => $epoch, run => 'r', open => 1);
}

sub command { return $redis->command(@_) }

# since, day, best and here

sub look {
    my ($country, %o) = @_;

    return join ' ', (ask($country, 0, %o))[5 .. 8];
}

sub here {
    my ($country, %o) = @_;

    return join ' ', (ask($country, 1, %o))[5 .. 8];
}

sub ask {
    my ($country, $here, %o) = @_;

    my $reply = $redis->command('EVAL', $script, 5, 'user', $today * $day + 3600,
                                0, 'r', 'epoch', $country, $o{days} // 3, 90,
                                $here, $o{epoch} // 0, $o{since} // 0,
                                $o{day} // 0);

    is($reply->[3], $today, 'today') if $reply->[3] != $today;

    return @$reply;
}

sub hash {
    my %hash = @{ $redis->command('HGETALL', 'user') };

    return join ' ', map { "$_=$hash{$_}" } sort keys %hash;
}

# The day on which the hash ends.

sub expires {
    my $ttl = $redis->command('TTL', 'user');

    return int((time + $ttl + 1) / $day);
}
