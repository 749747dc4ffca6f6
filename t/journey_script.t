#!/usr/bin/perl

# journey.lua: where a user was last, as Redis keeps it.  The clock is replaced
# in the script: redis.call('TIME') becomes KEYS[2] and KEYS[3], and KEYS[4] is
# the server's run id.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $redis = $t->redis;

my ($begin, $epoch) = (2_000_000_000, 7);
my ($now, $look) = ($begin, 2 ** 52);

my $script = join '', map { $t->read_file($t->top . "/module/ledger/$_.lua") }
                          qw(epoch journey);

is($script =~ s/redis\.call\('TIME'\)/{ KEYS[2], KEYS[3] }/g, 1,
   'the script looks at the clock once');
is($script =~ s/redis\.call\('INFO', 'server'\):match\S+/KEYS[4]/g, 1,
   'and at the server once');

# latitude + 90, longitude + 180 in 1/10000 degrees, radius, country

my @tokyo = (1256895, 3196917, 20, 0x4a50);
my @frankfurt = (1401109, 1886821, 1000, 0x4445);
my @suva = (718584, 3584419, 0, 0);

# the first place wins

start();

is(ask($look, @tokyo), '0 0 0 0 0 0', 'nobody was there yet');
is(hash(), '', 'and a look writes nothing');

my $first = $now * 1000;

is(ask(0, @tokyo), "$first 0 @tokyo", 'a first place is written');
is(hash(), "at=$first number=$first place=35.6895 139.6917 20 JP", 'as text');
is(ask(0, @frankfurt), "$first 0 @tokyo",
   'who comes from nowhere later is told where he was');
is(ask($look, @frankfurt), "$first 0 @tokyo", 'as is who only looks');
is(hash(), "at=$first number=$first place=35.6895 139.6917 20 JP",
   'and it stays');

# from there to somewhere else

$now += 13 * 3600;
is(ask($look, @tokyo), "$first " . 13 * 3_600_000 . " @tokyo", '13 hours ago');

my $second = $now * 1000;

is(ask($first, @frankfurt), "$second 0 @frankfurt", 'and then elsewhere');
is(hash(), "at=$second number=$second place=50.1109 8.6821 1000 DE",
   'as text');
is(ask($first, @tokyo), "$second 0 @frankfurt",
   'who comes from where he is no longer is told where he was');
is(ask($second, @suva), $second + 1 . " 0 @suva",
   'at the same time, but another visit');
is(hash(), 'at=' . $second . ' number=' . ($second + 1)
           . ' place=-18.1416 178.4419 0 ?', 'south, and of no country');
is(ask($look, @tokyo), $second + 1 . " 0 @suva", 'which comes back as it was');

for ([ 0, 0, 0, 0 ], [ 1800000, 3600000, 20016, 0x5a5a ]) {
    start();
    is((ask(0, @$_) =~ / 0 (.*)/)[0], "@$_", "the end of the world: @$_");
    is((ask($look, @tokyo) =~ / 0 (.*)/)[0], "@$_", 'and back');
}

# a clock that is set back

start();
$now = $begin;
ask(0, @tokyo);
$now = $begin - 3600;
is(ask($look, @suva), $begin * 1000 . " 0 @tokyo", 'no time has passed');
is(ask($begin * 1000, @frankfurt), $begin * 1000 + 1 . " 0 @frankfurt",
   'a visit has another number all the same');
$now += 60;
is(ask($look, @suva), $begin * 1000 + 1 . " 60000 @frankfurt",
   'and its own time');

# it is kept as long as it is of use

start();
$now = time;
ask(0, @tokyo);
cmp_ok(abs($redis->command('TTL', 'user') - 1000), '<=', 10, 'for 1000 s');

# what nobody should have written is nowhere

$now = $begin;

for my $place ('', 'JP', '35 139 20', '35 139 20 JP x', '91 0 0 JP',
               '-90.1 0 0 JP', '0 180.1 0 JP', '0 0 -1 JP', '0 0 20017 JP',
               'x 0 0 JP', 'nan 0 0 JP', 'inf 0 0 JP', '0 1e400 0 JP')
{
    start();
    $redis->command('HSET', 'user', number => 5, at => $now * 1000,
                    place => $place);
    is(ask($look, @tokyo), '0 0 0 0 0 0', "nowhere: \"$place\"");
}

for my $number ('', '0', '-1', 'x', 'nan', '1e300', 2 ** 52) {
    start();
    $redis->command('HSET', 'user', number => $number, at => $now * 1000,
                    place => '35 139 20 JP');
    is(ask($look, @tokyo), '0 0 0 0 0 0', "no number: \"$number\"");
    like(ask(0, @tokyo), qr/^\d+ 0 @tokyo$/, 'and it is written anew');
}

start();
$redis->command('HSET', 'user', number => 5, at => $now * 1000,
                place => '35 139 20 jp');
is(ask($look, @tokyo), '5 0 1250000 3190000 20 0', 'no country: "jp"');

# Redis forgets, nodes do not

my @known = (6, 55, 60_000, @tokyo);

start();
is(ask(0, @frankfurt, @known), "55 60000 @tokyo",
   'what a node knows of an epoch before is told again');
is(hash(), 'at=' . ($now - 60) . '000 number=55 place=35.6895 139.6917 20 JP',
   'and written');
is(ask(0, @frankfurt, 6, 77, 0, @suva), "55 60000 @tokyo",
   'of several nodes the first is believed');
start();
is(ask($look, @frankfurt, $epoch, 55, 60_000, @tokyo), '0 0 0 0 0 0',
   'of this epoch nothing is told again: somebody may have deleted it');
is(ask($look, @frankfurt, 0, 55, 60_000, @tokyo), '0 0 0 0 0 0',
   'nor by who knows nothing');

$t->done;

sub start {
    $redis->command('FLUSHALL');
    $redis->command('HSET', 'epoch', id => $epoch, run => 'r', open => 1);
}

# number, ms ago, and where; "known" is what the node does

sub ask {
    my ($from, @rest) = @_;

    my @where = splice @rest, 0, 4;
    my @known = @rest ? @rest : (0) x 7;

    my $reply = $redis->command('EVAL', $script, 5, 'user', $now, 0, 'r',
                                'epoch', $from, 1000, @where, @known);

    return join ' ', @$reply[3 .. 8];
}

sub hash {
    my %hash = @{ $redis->command('HGETALL', 'user') };

    return join ' ', map { "$_=$hash{$_}" } sort keys %hash;
}
