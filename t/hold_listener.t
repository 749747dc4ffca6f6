#!/usr/bin/perl

# One worker of a host listens for news of holds.  When it is killed, another
# one listens; and what nobody was told is seen all the same, by its version.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('small', 1000);

my $redis = $t->redis;
my $nginx = $t->nginx($t->conf(workers => 2, http => <<"END", server => <<'END2'));
    gate_redis { server unix:$redis->{socket}; timeout 5s; }

    gate_policy open { certificate off; user \$http_x_user; }
END
        gate  open;
END2

$nginx->{expected} = qr/worker process \d+ exited on signal 9$/;

is(status('alice'), 200, 'nobody is held');
ok($t->wait_for(sub { listeners() == 1 }), 'one worker listens');

# each of them once: one of the two is the one that listens

my $n = 0;

for my $worker ($nginx->workers) {
    my $user = 'user' . ++$n;
    my $connection = listening();

    kill KILL => $worker;
    $t->hold($redis, "h$n", "user=$user");

    ok($t->wait_for(sub { status($user) == 403 && status($user) == 403 }, 4),
       "a worker is killed: $user is held");
    ok($t->wait_for(sub { listeners() == 1 }), 'and one listens again');
    $n += 10 if listening() ne $connection;
}

cmp_ok($n, '>=', 10, 'one of them was the one that listened');

# and it hears: the hold is known before the next look at the version

$t->hold($redis, 'last', 'all reason=test');
ok($t->wait_for(sub { status('alice') == 403 }, 3), 'who listens now hears');

# no message at all

$redis->command('HDEL', 'gate:holds', 'last');
$redis->command('HINCRBY', 'gate:holds', 'version', 1);
ok($t->wait_for(sub { status('alice') == 200 }, 5), 'without it, too');

# the one who listens is cut off by Redis

$redis->command('CLIENT', 'KILL', 'TYPE', 'pubsub');
$t->hold($redis, 'again', 'user=bob');
ok($t->wait_for(sub { status('bob') == 403 }, 5), 'the channel is lost');
ok($t->wait_for(sub { listeners() == 1 }), 'and listened to again');

$t->done;

sub status { return $t->as('1.1', $_[0], '/small')->{status} }

sub clients {
    return grep { / sub=1 / } split /\n/, $redis->command('CLIENT', 'LIST');
}

sub listeners { return scalar(() = clients()) }

sub listening { return join ' ', map { /^id=(\d+)/ } clients() }
