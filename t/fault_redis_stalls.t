#!/usr/bin/perl

# Redis stops answering for a while: stopped as a process, or busy.  No worker
# waits for it: who has credit passes, others are refused in time, places
# without a gate answer; afterwards all is as before, and counted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $size = 100_000;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', $size);

my $redis = $t->redis(options => [ '--enable-debug-command', 'yes' ]);
my $nginx = $t->nginx($t->conf(workers => 1,
                               http => <<'END' =~ s/%%NOON%%/$t->noon/ger,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 300ms; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=1g per=day %%NOON%%;
        quota        requests=10000 per=day %%NOON%%;
        lease        4m idle=1h;
    }
END
    server => <<'END2'));
        gate  counted;

        location = /open { gate off; return 200 open; }
END2

# how long it is busy, and nobody can end that

my $busy = 8 * ($ENV{TEST_PATIENCE} // 1);
my %got;

for my $how ('stopped', 'busy') {
    my $user = "user-$how";

    is(status($user), 200, "$how: a user has credit");

    if ($how eq 'stopped') {
        $redis->halt;

    } else {

        # nobody waits for this answer

        my $pid = fork // die "fork: $!";

        if (!$pid) {
            delete $redis->{connection};
            eval { $redis->command('DEBUG', 'SLEEP', $busy) };
            kill KILL => $$;
        }

        # it is busy from when it answers nobody

        $t->wait_for(sub { status("probe" . $got{n}++) == 503 });
    }

    # one worker: if it waited for Redis it would answer none of these

    my $asks = $t->client;

    $asks->send('/document', headers => { 'X-User' => "new-$how" });

    is($t->get('/open')->{body}, 'open', "$how: a place without a gate")
        for 1 .. 3;
    is(status($user), 200, "$how: who has credit passes") for 1 .. 3;
    is($asks->response('GET')->{status}, 503,
       "$how: who has none is refused");
    is(status("new-$how"), 503, "$how: and again");

    $redis->go_on if $how eq 'stopped';

    ok($t->wait_for(sub { status("later-$how") == 200 }),
       "$how: normal without a reload");

    is(status($user), 200, "$how: and for who had credit");
}

$nginx->stop;

for my $how ('stopped', 'busy') {
    is($t->granted($redis, "{user-$how}:counted", 'bytes-day'), 5 * $size,
       "$how: the bytes that passed are counted, to the byte");
    is($t->granted($redis, "{user-$how}:counted", 'requests-day'), 5,
       "$how: and the requests");
    is($t->granted($redis, "{new-$how}:counted", 'requests-day'), 0,
       "$how: of who was refused none");
}

is($nginx->said(qr/redis is lost: no answer in time/), 2,
   'each outage is one line in the error log');

$t->done;

sub status {
    my ($user) = @_;

    return $t->as('1.1', $user, '/document', close => 1)->{status};
}
