#!/usr/bin/perl

# Three nodes hold idle credit of one account.  The last request that fits the
# limit may be refused by a fourth while they do, and passes when they gave it
# back: no credit stays idle for more than two seconds.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $kib = 1024;
my $limit = 10_000 * $kib;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('first', 1000 * $kib);
$t->document('last', 7000 * $kib);

my $redis = $t->redis;
my @ports = map { $t->port } 1 .. 4;
my @nodes = map {
    $t->nginx($t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/er,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10000k per=day %%NOON%%;
    }
END
        server => '        gate  counted;'), port => $_)
} @ports;

for my $port (@ports[0 .. 2]) {
    is(get('first', $port)->{status}, 200, 'three nodes deliver 1000k each');
}

my $held = granted() - 3000 * $kib;

cmp_ok($held, '>', 0, 'and hold idle credit');
cmp_ok($held, '<=', 3 * $limit / 8, 'each an eighth of what is left, at most');

my $r = get('last', $ports[3]);

is($r->{status}, 429, 'the last 7000k do not fit beside it');
like($r->{headers}{'retry-after'} // '', qr/^\d+$/, 'says when to come again');

# not by the clock of this test: when Redis has it all, it must pass

is($t->settled($redis, '{alice}:counted', 'bytes-day', 3000 * $kib),
   3000 * $kib, 'the idle credit comes back');

my $refused = 0;

$t->wait_for(sub {
    $r = get('last', $ports[3]);
    $refused++ if $r->{status} == 429;
    return $r->{status} == 200;
});

is($r->{status}, 200, 'then the last 7000k pass');
is(length $r->{body}, 7000 * $kib, 'whole');
is($t->settled($redis, '{alice}:counted', 'bytes-day', $limit), $limit,
   'and the limit is used to its last byte');

# Two nodes hold credit, and he asks both, again and again: who is refused does
# not keep it.

my ($n, $both) = (0, 0);

$t->wait_for(sub {
    $r = get('first', $ports[ $n++ % 2 ], 'bob');
    $both++ if $r->{status} == 200;
    return $both == 10;
}, 120);

is($both, 10, 'who asks two nodes in turn comes to the limit');
is($t->settled($redis, '{bob}:counted', 'bytes-day', $limit), $limit,
   'to its last byte');

$t->done;

sub get {
    my ($name, $port, $user) = @_;

    return $t->as('1.1', $user // 'alice', "/$name", port => $port, close => 1);
}

sub granted {
    return $t->granted($redis, '{alice}:counted', 'bytes-day');
}
