#!/usr/bin/perl

# A short run of t/chaos/run: all kinds of clients and faults, and the promises
# hold.

use strict;
use warnings;

use FindBin;
use Test::More;

my $seed = $ENV{TEST_SEED} // 1;
my $options = "--minutes 0.5 --limits 0.2 --seed $seed";
my $said = qx($FindBin::Bin/chaos/run $options 2>&1);

is($?, 0, "seed $seed: everything held") or diag($said);
like($said, qr/^$_ held$/m, "$_ held") for qw(P1 P2 P3);
like($said, qr/^over the limit: 0$/m, 'no byte over the limit');

my ($delivered) = $said =~ /^delivered: +(\d+)$/m;

cmp_ok($delivered // 0, '>', 1_000_000, 'something was delivered');
like($said, qr/429 \d+/, 'and something refused');

done_testing();
