#!/usr/bin/perl

# Redis' clock rules: nodes whose own clocks are days ahead and behind count in
# one window, and say when it ends by Redis' clock.

use strict;
use warnings;

use FindBin;
use POSIX qw(strftime);
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $day = 86400;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

my $redis = $t->redis;
my $noon = $t->noon;
my $conf = $t->conf(http => <<"END", server => '        gate  counted;');
    gate_redis { server unix:$redis->{socket}; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=10k per=day name=daily $noon;
        quota        bytes=20k per=36h name=rolling;
    }
END

my @ports = map { $t->port } 0 .. 2;

$t->nginx($conf, port => $ports[0], ahead => 2 * $day);
$t->nginx($conf, port => $ports[1], ahead => -2 * $day);
$t->nginx($conf, port => $ports[2]);

my $passed = 0;
my $r;

for my $n (0, 1) {
    my $is = strftime('%d %b', gmtime(time + ($n ? -2 : 2) * $day));

    $r = $t->as('1.1', 'alice', '/document', port => $ports[$n]);
    $passed++ if $r->{status} == 200;
    like($r->{headers}{date}, qr/^\w+, $is /, "node $n: its clock is wrong");
}

my $round = 0;

$t->wait_for(sub {
    $r = $t->as('1.1', 'alice', '/document', port => $ports[$round++ % 3]);
    $passed++ if $r->{status} == 200;
    return $passed == 10;
});

is($passed, 10, 'together they let pass what one would');

my ($now) = @{ $redis->command('TIME') };
my %account = @{ $redis->command('HGETALL', 'gate:{alice}:counted') };
my %slots;

/^(daily|rolling):(\d+)$/ and push @{ $slots{$1} }, $2 for keys %account;

my ($today, @others) = @{ $slots{daily} };
my $left = $today + $day - $now;

ok($left > 0 && $left <= $day && !@others,
   'all of it is counted on the day that Redis has');
cmp_ok(scalar(@{ $slots{rolling} }), '<=', 2, 'and in its hours');

for my $n (0 .. 2) {
    $r = $t->as('1.1', 'alice', '/document', port => $ports[$n]);

    is($r->{status}, 429, "node $n: refused");
    cmp_ok(abs($r->{headers}{'retry-after'} - $left), '<', 10,
           "node $n: until that day ends");
}

$t->done;
