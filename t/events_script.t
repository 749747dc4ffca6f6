#!/usr/bin/perl

# events.lua: a batch goes into the stream once, however often it is asked for;
# writers do not disturb each other, and the stream is cut.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $redis = $t->redis;
my $script = $t->read_file($t->top . '/module/ledger/events.lua');

is(batch('a', 1, 'one', 'two'), 2, 'a batch');
is(events(), 'one two', 'is written, in order');
is(batch('a', 1, 'one', 'two'), 0, 'asked for again');
is(events(), 'one two', 'it is there once');
is(batch('a', 2, 'three'), 1, 'the next one');
is(batch('a', 1, 'one', 'two'), 0, 'and one that comes late');
is(batch('b', 1, 'four'), 1, 'of another writer');
is(batch('a', 2, 'three'), 0, 'who has numbers of his own');
is(events(), 'one two three four', 'each is there once');

my $left = $redis->command('TTL', 'gate:{gate:events}:a');

cmp_ok($left, '>', 86300, "a writer's number is kept for a day");
cmp_ok($left, '<=', 86400, 'and no longer');

# what the gate adds for a cluster is no event

is($redis->command('EVAL', $script, 2, 'gate:events', 'gate:{gate:events}:c',
                   1, 1000, 1, 'five', '@gate:epoch:{1}'), 1,
   'an argument more');
is(events(), 'one two three four five', 'is no event');

# the slot of both keys is one

is(slot('gate:{gate:events}:a'), slot('gate:events'),
   'the keys lie in one slot');

batch('d', $_, map { "event $_" } 1 .. 64) for 1 .. 100;

my $len = $redis->command('XLEN', 'gate:events');

cmp_ok($len, '>=', 1000, 'the stream keeps what it should');
cmp_ok($len, '<', 1200, 'and little more');

$t->done;


sub batch {
    my ($writer, $number, @events) = @_;

    return $redis->command('EVAL', $script, 2, 'gate:events',
                           "gate:{gate:events}:$writer", $number, 1000,
                           scalar @events, @events);
}


sub events {
    return join ' ', map { $_->[1][1] }
           @{ $redis->command('XRANGE', 'gate:events', '-', '+') };
}


# CRC16 of the tag, or of the key

sub slot {
    my ($key) = @_;

    my $crc = 0;

    $key = $1 if $key =~ /\{([^}]+)\}/;

    for my $byte (unpack 'C*', $key) {
        $crc ^= $byte << 8;
        $crc = ($crc << 1 ^ ($crc & 0x8000 ? 0x1021 : 0)) & 0xffff for 1 .. 8;
    }

    return $crc % 16384;
}
