#!/usr/bin/perl

# A slot of a rolling window ends while Redis does not answer: credit that was
# drawn for it ends with it, however much is left, so that it cannot be spent
# in a span of time in which it is not counted; until Redis is back, or as
# "store_down" says.  Credit of a calendar window goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;
use Time::HiRes qw(time);

my $slot = 300;             # seconds, a twelfth of an hour

my $t = Test::Gate->new;
my $noon = $t->noon;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

# by Redis' clock a slot ends in 8 s; that of nginx says nothing

my $ends = $slot * (1 + int(time / $slot));
my $ahead = $ends - 8 - int time;
my $redis = $t->redis(ahead => $ahead);

$t->nginx($t->conf(http => <<"END", server => <<'END2'));
    gate_redis { server unix:$redis->{socket}; }

    gate_policy rolling {
        certificate  off;
        user         \$http_x_user;
        quota        requests=1000000 per=1h;
        lease        4m idle=1h;
    }

    gate_policy lenient {
        certificate  off;
        user         \$http_x_user;
        quota        requests=1000000 per=1h;
        lease        4m idle=1h;
        store_down   allow=3;
    }

    gate_policy daily {
        certificate  off;
        user         \$http_x_user;
        quota        requests=1000000 per=day $noon;
        lease        4m idle=1h;
    }
END
        location /rolling/ { gate rolling; alias %%DIR%%/docs/; }
        location /lenient/ { gate lenient; alias %%DIR%%/docs/; }
        location /daily/   { gate daily; alias %%DIR%%/docs/; }
END2

is(status($_), 200, "$_: a user passes") for qw(rolling lenient daily);
$redis->halt;

SKIP: {
    my @r = map { status($_) } qw(rolling lenient daily);

    skip 'the slot ended too early on this machine', 1 if now() > $ends - 1;
    is("@r", '200 200 200', 'Redis stands still: credit is spent');
}

ok($t->wait_for(sub { status('rolling') == 503 }), 'credit ends');
cmp_ok(now(), '>=', $ends - 0.5, 'when the slot does, not before');
is(status('daily'), 200, 'that of a calendar window goes on');

# each asked when it came, and knows the end by that

$t->wait_for(sub { now() > $ends + 1 });

my @lenient = map { status('lenient') } 1 .. 4;

is("@lenient", '200 200 200 503', 'store_down allows so much in its stead');
is(status('rolling'), 503, 'without, nothing passes while Redis is away');

$redis->go_on;

ok($t->wait_for(sub { status('rolling') == 200 }), 'Redis is back: so is he');
ok($t->wait_for(sub { status('lenient') == 200 }), 'and the other one');

$t->done;

sub now { return time + $ahead }

sub status { return $t->as('1.1', 'alice', "/$_[0]/document")->{status} }
