#!/usr/bin/perl

# Redis stands still for 5 s under load: no worker does, memory stays bounded,
# and afterwards all is well.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;
use Time::HiRes qw(sleep time);

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

my $redis = $t->redis;
my $plain = $t->port;
my $nginx = $t->nginx($t->conf(http => <<"END", server => <<"END2"));
    gate_redis {
        server   unix:$redis->{socket};
        timeout  500ms;
        queue    64;
    }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=100000 per=1h;
        lease        4m idle=1h;
    }
END
        listen              127.0.0.1:$plain;
        keepalive_requests  1000000;

        location / {
            gate  counted;
        }

        location /free/ {
            alias  %%DIR%%/docs/;
        }
END2

is(status('alice'), 200, 'a user with credit');

my @workers = $nginx->workers;
my @before = map { memory($_) } @workers;

$redis->halt;

# new users, whom only Redis could let pass, one with credit, and another
# location; 500 requests a second among them

my @got = $t->parallel(4, sub {
    my ($n) = @_;
    my $client = $t->client;
    my $next = time;
    my (@open, %seen);

    for my $i (1 .. 625) {

        # who is new waits for its answer, the next one does not wait for it:
        # each has a connection of his own, without TLS for the sake of the
        # machine

        if ($n < 2) {
            push @open, $t->client(port => $plain, plain => 1);
            $open[-1]->send('/document', headers => { 'X-User' => "$n.$i" });
            shift(@open)->close if @open > 100;

        } else {
            my $r = $client->request($n == 2 ? '/document'
                                             : '/free/document',
                                     headers => { 'X-User' => 'alice' });
            $seen{ $r->{status} }++;
        }

        $next += 1 / 125;

        my $early = $next - time;

        sleep($early) if $early > 0;
    }

    return join ' ', map { "$_:$seen{$_}" } sort keys %seen;
});

is_deeply(\@got, [ '', '', '200:625', '200:625' ],
          'who has credit, and who needs none, does not notice');

is_deeply([ sort { $a <=> $b } $nginx->workers ],
          [ sort { $a <=> $b } @workers ], 'the workers are the same');

# what was freed a sanitizer keeps for a while, to see who uses it

for my $i ($ENV{TEST_SANITIZE} ? () : (0 .. $#workers)) {
    cmp_ok(memory($workers[$i]) - $before[$i], '<', 16384,
           'a worker took no more than 16 MB meanwhile');
}

is(status('refused'), 503, 'who needs Redis is refused');
$redis->go_on;

ok($t->wait_for(sub { status('bob') == 200 }), 'Redis goes on: all is well');
is($nginx->said(qr/redis is lost/), scalar @workers,
   'each worker said once that it was lost');

$t->done;

# resident, in KB

sub memory {
    my ($pid) = @_;

    return $t->read_file("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0;
}

sub status { return $t->as('1.1', $_[0], '/document')->{status} }
