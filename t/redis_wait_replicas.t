#!/usr/bin/perl

# wait_replicas: what no replica has is not granted, so a primary that dies
# takes nothing with it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

my @ports = map { $t->port } 0, 1;
my @redis = map { $t->redis(port => $_) } @ports;

$redis[1]->command('REPLICAOF', '127.0.0.1', $ports[0]);
$redis[0]->command('SET', 'written', 1);
$t->wait_for(sub { $redis[0]->command('WAIT', 1, 100) == 1 })
    or die 'no replica';

my $waits = $redis[0]->calls('wait');

my $nginx = $t->nginx(conf(1));

is(status('alice'), 200, 'a replica has it: granted');
is($redis[0]->calls('wait') - $waits, draws(), 'each draw was waited for');

# the replica stands still

$redis[1]->halt;

is(status('bob'), 503, 'no replica has it: not granted');
is(status('bob'), 503, 'nor is it when asked again');
is($nginx->said(qr/less than 1 replicas have what redis granted/), 1,
   'each worker says so once') for 1;

$redis[1]->go_on;

ok($t->wait_for(sub { status('bob') == 200 }), 'it goes on: granted');
ok($t->wait_for(sub { $nginx->said(qr/redis has 1 replicas again/) }),
   'and that is said');

# the answer of who was refused is not lost: it is counted once

my %account = @{ $redis[1]->command('HGETALL', 'gate:{bob}:counted') };

ok((grep { /^requests-1h:\d+$/ && $account{$_} >= 1 } keys %account),
   'the replica has the count');

# errors are told, whatever replicas have

$redis[0]->command('SCRIPT', 'FLUSH');
is(status('carol'), 200, 'a script that is not there is sent again');

# without: as ever

$redis[1]->halt;
$nginx->reload(conf(0));
is(status('dave'), 200, 'wait_replicas 0: nobody waits');
$redis[1]->go_on;

$t->done;

# of one user: again if Redis did not have the script

sub draws {
    return 1 + ($redis[0]->command('INFO', 'errorstats') =~ /NOSCRIPT/);
}

sub status { return $t->as('1.1', $_[0], '/document')->{status} }

sub conf {
    my ($n) = @_;

    return $t->conf(workers => 1, http => <<"END", server => <<'END2');
    gate_redis {
        server         unix:$redis[0]{socket};
        timeout        1s;
        wait_replicas  $n;
    }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=10 per=1h;
    }
END
        gate  counted;
END2
}
