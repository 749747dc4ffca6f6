#!/usr/bin/perl

# usage*.lua: what Redis makes of a batch, of one that comes twice, of bounds,
# and of what somebody else wrote there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
my $redis = $t->redis;

my %script = map {
    my $name = $_;
    $name => join '', map { $t->read_file($t->top . "/module/ledger/$_.lua") }
                      'usage', "usage_$name";
} qw(user project top);

$script{read} = $t->read_file($t->top . '/module/ledger/usage_read.lua');

my $ends = time + 10 * 86400;

# users, by project

is(user(1, [ 1, 'alpha', 1000, 2, d(1) . d(2) ], [ 1, 'beta', 10, 1, d(3) ],
        [ 2, 'alpha', 5, 1, d(1) ]), '2 1 1 1 1 1 / 1010 1010 5 5',
   'new documents, rows of their own, and totals');
is(hash('h1-25'), '#total=1010 3 3, alpha=1000 2 2, beta=10 1 1', 'a user');
is(hash('h2-25'), '#total=5 1 1, alpha=5 1 1', 'another');
is(user(1, [ 1, 'alpha', 1000, 2, d(1) . d(2) ], [ 1, 'beta', 10, 1, d(3) ],
        [ 2, 'alpha', 5, 1, d(1) ]), '2 1 1 1 1 1 / 1010 1010 5 5',
   'the same batch again is told the same');
is(hash('h1-25'), '#total=1010 3 3, alpha=1000 2 2, beta=10 1 1',
   'and adds nothing');
is(user(1, [ 1, 'alpha', 0, 0, '' ]), '2 1 / 1010 1010', 'nor does a part of it');
is(user(2, [ 1, 'alpha', 1, 1, d(2) . d(4) . d(4) ]), '1 1 / 1011 1011',
   'the next one does; documents that were known are not new');
is(user(3, [ 1, 'alpha', -500, 0, '' ]), '0 1 / 511 511',
   'what did not leave is taken back');
is(user(4, [ 1, 'beta', -500, 0, '' ]), '0 1 / 11 11', 'but not below 0');
is(hash('h1-25'), '#total=11 4 4, alpha=501 3 3, beta=0 1 1', 'that is left');
is(user(0), ' / ', 'a batch of nothing');
is(user(3, [ 1, 'alpha', 7, 7, d(7) ]), '0 1 / 11 11',
   'one that is late adds nothing');

cmp_ok($redis->command('TTL', 'h1-25'), '>', 9 * 86400, 'it ends as it is told');
cmp_ok($redis->command('TTL', 'h1-25:documents'), '<=', 2 * 86400,
       'its documents after two days');
cmp_ok($redis->command('TTL', 'told'), '<=', 7 * 86400,
       'the number of the batch after a week');

# the month has all of it, of each of its days

is(hash('h1'), hash('h1-25'), 'the month');
is(user(5, [ 2, 'alpha', 3, 1, d(1) ]), '0 1 / 11 11 8 8',
   'another user has a month of his own');
is(user({ number => 6, day => 26 }, [ 1, 'alpha', 3, 1, d(1) ]),
   '1 1 / 3 14', 'a day has its own, the month both');
is(hash('h1'), '#total=14 5 5, alpha=504 4 4, beta=0 1 1', 'the sum of days');
cmp_ok($redis->command('TTL', 'h1'), '>', 9 * 86400, 'as long as its last day');

# two nodes have numbers of their own

is(user(1, [ 1, 'alpha', 9, 1, '' ]), '1 1 / 11 14', 'a number that was there');
is(user({ number => 1, told => 'told2' }, [ 1, 'alpha', 9, 1, '' ]),
   '0 1 / 20 23', 'is another one of another node');

# projects, by user

$redis->command('FLUSHALL');
is(project(1, [ 1, 'alice', 100, 1, 1, 1 ], [ 1, 'bob', 50, 1, 1, 1 ],
           [ 2, 'bob', 7, 1, 1, 1 ]), '150 100 150 7 7 7',
   'totals, and the largest user');
is(project(1, [ 1, 'alice', 100, 1, 1, 1 ]), '150 100 150', 'again');
is(project(2, [ 1, 'bob', 60, 1, 0, 1 ]), '210 110 210', 'another is the largest');
is($redis->command('HGET', 'h1-25', '#largest'), '110 bob', 'who it is');
is(project(3, [ 3, 'alice', 1, 1, 0, 0 ]), '210 110 210 7 7 7 0 0 0', 'one that may not begin');
is($redis->command('EXISTS', 'h3-25', 'h3', 'h3:top'), 0, 'does not');
is(list('h1:top'), 'bob 110 alice 100', 'the month has its order');
is_deeply(ask('read', 'h1', 'rows', 0, 1), [ 'bob', '110 2 1', 2, '210 3 2' ],
          'by which it is read');
is_deeply(ask('read', 'h1', 'most', 1, 9), [ 'alice', '100 1 1', 2, '210 3 2' ],
          'the rest of it');
is(project(4, [ 1, 'alice', 1, 1, 0, 0 ]), '211 110 211', 'but goes on');

# the day

my @top = ([ 'alice', 5 ], [ 'bob', 7 ]);

is(top([ @top ], [ [ 'alpha', 12, 7 ] ]), '', 'the day');
is(top([ [ 'alice', 4 ], [ 'carol', 0 ] ], []), '', 'something late');
is(list('z1'), 'bob 7 alice 5 carol 0', 'users');
is(list('z2'), 'alpha 12', 'projects');
is(list('z3'), 'alpha 7', 'by their largest');

my @many = map { [ "user$_", $_ ] } 1 .. 10_100;

top([ splice @many, 0, 200 ], []) while @many;
is($redis->command('ZCARD', 'z1'), 10_000, 'as many as are kept');
is($redis->command('ZSCORE', 'z1', 'alice'), undef, 'the smallest have gone');
is((split / /, list('z1'))[1], 10_100, 'the largest have not');

# bounds

$redis->command('FLUSHALL');
user($_, map { [ 1, "p$_", 1, 1, '' ] } $_ * 100 .. $_ * 100 + 99)
    for 1 .. 12;

my %hash = @{ $redis->command('HGETALL', 'h1-25') };

is($hash{'#total'}, '1200 1200 0', '1,200 projects: all of them');
cmp_ok(scalar keys %hash, '<=', 1002, 'and 1,000 rows');

my $own = grep { /^p/ } keys %hash;

is($hash{'#others'}, join(' ', (1200 - $own) x 2, 0), 'others are together');
is(user(13, [ 1, 'p1299', 1, 1, '' ], [ 1, 'p100', 1, 1, '' ]),
   '0 0 0 1 / 1202 1202', 'who has no row is told so');

$redis->command('FLUSHALL');
my $n = 0;

for my $batch (1 .. 30) {
    user($batch, [ 1, 'alpha', 1, 1,
                   join '', map { d($batch * 1000 + $_) } 1 .. 250 ]);
}

my ($documents) = $redis->command('HGET', 'h1-25', 'alpha') =~ / (\d+)$/;

cmp_ok(abs($documents - 7500), '<', 75, "of 7,500 documents: $documents");
cmp_ok($redis->command('SCARD', 'h1-25:documents'), '<', 4096 + 256,
       'exactly kept are 4,096 or so');
is(user(31, [ 1, 'alpha', 1, 1, join '', map { d(1000 + $_) } 1 .. 250 ]),
   '0 1 / 31 31', 'which are known again');

my ($again) = user(32, [ 1, 'alpha', 1, 1,
                         join '', map { d(30_000 + $_) } 1 .. 250 ]) =~ /^(\d+)/;

cmp_ok($again, '<', 20, 'and so are the others');

# somebody else has written there

$redis->command('FLUSHALL');
$redis->command('SET', 'h1-25', 'x');
$redis->command('HSET', 'h2-25', 'alpha', '1 x 99999999999999999999999999',
                '#total', '9' x 400);

my $reply = ask('user', { number => 1 }, 2, [ 1, 'alpha', 1, 1, d(1) ],
                [ 2, 'alpha', 1, 1, d(1) ]);

like($reply->[1], qr/^WRONGTYPE/, 'an error is told');
is("@{$reply}[2 .. 5]", '1 0 1 1', 'other rows are written');
is($reply->[8], '9007199254740992', 'numbers stay within what they may be');
is(hash('h2-25'), '#total=9007199254740992 1 1, alpha=2 9007199254740992 1',
   'what is no number is none');

# names may be anything

my $odd = "<script>\r\n\0 {x} \xe2\x80\xae\"'";

$redis->command('FLUSHALL');
user(1, [ 1, $odd, 5, 1, '' ]);
is($redis->command('HGET', 'h1-25', $odd), '5 1 0', 'an odd name');

# to be read: all of a hash as it is, or a page in order

user($_ + 1, [ 1, "p$_", $_ * 10, 1, d($_) ]) for 1 .. 9;

my @rows = @{ ask('read', 'h1-25', 'rows', 0, 10) };

is("@rows[-2, -1]", '10 455 10 9', 'how many, and the total');
is_deeply({ @rows[0 .. $#rows - 2] },
          { @{ $redis->command('HGETALL', 'h1-25') } }, 'all rows');
is_deeply(ask('read', 'h1-25', 'rows', 0, 2),
          [ 'p9', '90 1 1', 'p8', '80 1 1', 10, '455 10 9' ],
          'the first page');
is_deeply(ask('read', 'h1-25', 'rows', 8, 2),
          [ 'p1', '10 1 1', $odd, '5 1 0', 10, '455 10 9' ], 'the last');
is_deeply({ @{ ask('read', 'h1-25', 'most', 0, 2) } },
          { @{ $redis->command('HGETALL', 'h1-25') }, 10 => '455 10 9' },
          'the first, and all others that are not many');
is_deeply(ask('read', 'h1-25', 'rows', 10, 2), [ 10, '455 10 9' ], 'none');
is_deeply(ask('read', 'nothing', 'rows', 0, 2), [ 0, '0 0 0' ], 'of nothing');
is_deeply(ask('read', 'h1-25', 'some', 2, 'p3', 'nothing'),
          [ 'p3', '30 1 1', 'nothing', 0, 2, 0 ], 'some');

top([ map { [ "u$_", $_ ] } 1 .. 9 ], []);
is_deeply(ask('read', 'z1', 'top', 1, 2), [ 'u8', 8, 'u7', 7, 9, 0 ], 'top');
is_deeply(ask('read', 'nothing', 'top', 0, 2), [ 0, 0 ], 'of nothing');
is_deeply(ask('read', 'z1', 'some', 3, 'u3', 'nobody', 'u9'),
          [ 'u3', 3, 'nobody', 0, 'u9', 9, 3, 0 ], 'some');

# the first of many are the same, however far they are asked for

my %many = map { ("m$_", ($_ * 7919 % 3001) ** 3 . ' 1 1') } 0 .. 3000;
my @sorted = sort { (split / /, $many{$b})[0] <=> (split / /, $many{$a})[0] }
             keys %many;

$redis->command('HSET', 'many', %many);

for my $n (1, 2, 500, 1000) {
    my @first = @{ ask('read', 'many', 'most', 0, $n) };

    is(join(' ', sort @first[map { 2 * $_ } 0 .. $n - 1]),
       join(' ', sort @sorted[0 .. $n - 1]), "the first $n of 3,001");
}

my @page = @{ ask('read', 'many', 'rows', 2990, 100) };

is(join(' ', @page[map { 2 * $_ } 0 .. $#page / 2 - 1]),
   join(' ', @sorted[2990 .. 3000]), 'and the last page');

# rows of equal bytes are on one page only

$redis->command('HSET', 'same', map { (sprintf('s%03d', $_), '7 1 1') }
                                1 .. 100);
is(join(' ', map { my @r = @{ ask('read', 'same', 'rows', $_ * 30, 30) };
                   @r[map { 2 * $_ } 0 .. $#r / 2 - 1] } 0 .. 3),
   join(' ', map { sprintf 's%03d', $_ } 1 .. 100), 'page after page');

$redis->command('HSET', 'long', map { ($_ . 'x' x 300, '1 1 1') } 1000 .. 2500);
cmp_ok(length join('', @{ ask('read', 'long', 'rows', 0, 1500) }), '<',
       300_000, 'a page ends when it is long');

$t->done;

# a document

sub d { return sprintf '%014d', $_[0] }

# fresh and own of each row / totals

sub user {
    my ($number, @rows) = @_;

    my %o = ref $number ? %$number : (number => $number);
    my $hashes = 0;
    $hashes = $_->[0] > $hashes ? $_->[0] : $hashes for @rows;

    my $reply = ask('user', \%o, $hashes, @rows);

    is($reply->[1], '', 'no error') if $reply->[1] ne '';

    my @told = @{$reply}[2 .. $#$reply];
    my @fresh = splice @told, 0, 2 * @rows;

    return "@fresh / @told";
}

sub project {
    my ($number, @rows) = @_;

    my $hashes = 0;
    $hashes = $_->[0] > $hashes ? $_->[0] : $hashes for @rows;

    my $reply = ask('project', { number => $number }, $hashes, @rows);

    is($reply->[1], '', 'no error') if $reply->[1] ne '';

    return join ' ', @{$reply}[2 .. $#$reply];
}

sub top {
    my ($users, $projects) = @_;

    my $reply = $redis->command('EVAL', $script{top}, 3, 'z1', 'z2', 'z3',
                                $ends, scalar @$users, scalar @$projects,
                                (map { @$_ } @$users, @$projects));

    return $reply->[1];
}

sub ask {
    my ($what, @args) = @_;

    return $redis->command('EVAL', $script{read}, 1, @args)
        if $what eq 'read';

    my ($o, $hashes, @rows) = @args;
    my @keys = ($o->{told} // 'told', map { "h$_-" . ($o->{day} // 25) }
                                                 1 .. $hashes);

    my $reply = $redis->command('EVAL', $script{$what}, scalar @keys, @keys,
                                $o->{number}, $ends, scalar @rows,
                                map { @$_ } @rows);

    cmp_ok(abs($reply->[0] / 1000 - time), '<', 100, 'it says what time it is')
        unless $o->{number};

    return $reply;
}

sub hash {
    my %is = @{ $redis->command('HGETALL', $_[0]) };

    return join ', ', map { "$_=$is{$_}" } sort keys %is;
}

sub list {
    return join ' ', @{ $redis->command('ZREVRANGE', $_[0], 0, -1,
                                        'WITHSCORES') };
}
