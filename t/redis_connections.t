#!/usr/bin/perl

# However many requests ask at once, each worker has one connection to Redis, in
# a cluster to each primary, and its questions share it: they go out without
# waiting for answers to those before.  One more listens for holds.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::Gate::Cluster;
use Test::More;

my $workers = 2;
my $questions = 100;

my $t = Test::Gate->new;
my $plain = $t->port;
my %plain = (port => $plain, plain => 1);

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);

alone();
cluster();

$t->done;

sub alone {
    my $redis = $t->redis;
    my $before = accepted($redis);
    my $nginx = $t->nginx(conf("server  unix:$redis->{socket};"));

    both_ask($nginx, 'alone');
    load();

    is(connections($redis), $workers, 'one connection of each worker');
    cmp_ok(listeners($redis), '<=', 1, 'one of them listens');
    is(accepted($redis) - $before, $workers + listeners($redis),
       'and there were no others, not even for a while');

    # Nobody is answered until all have asked, so they did not wait for each
    # other; what Redis then has to read comes in a few pieces.

    my @clients = map { $t->client(%plain) } 1 .. $questions;
    my $asked = asked();

    $_->request('/pid') for @clients;

    my ($reads, $commands) = work($redis);

    $redis->halt;
    $clients[$_]->send('/document', headers => { 'X-User' => "piped$_" })
        for 0 .. $#clients;

    ok($t->wait_for(sub { asked() >= $asked + $questions }),
       "$questions questions are under way at once");

    $redis->go_on;

    is(join(' ', map { $_->response('GET')->{status} } @clients),
       join(' ', map { 200 } @clients), 'each has its answer');

    my ($reads_now, $commands_now) = work($redis);

    cmp_ok($commands_now - $commands, '>=', $questions,
           'Redis has executed them');
    cmp_ok($reads_now - $reads, '<', $questions / 2,
           'and read many of them at once');
    is(connections($redis), $workers, 'on the same connections');
    is(accepted($redis) - $before, $workers + listeners($redis),
       'none was made anew');

    $nginx->stop;
}

# One node is named, the others are found.

sub cluster {
    my $cluster = Test::Gate::Cluster->new($t);
    my @redis = $cluster->nodes;
    my ($port) = $cluster->ports;
    my $nginx = $t->nginx(conf("server  127.0.0.1:$port; cluster  on;"));

    both_ask($nginx, 'cluster');
    is($nginx->said(qr/redis cluster of 3 primaries/), $workers,
       'each worker found all of them by one');
    load();

    is(join(' ', map { connections($_) } @redis), "@{[ ($workers) x 3 ]} 0 0 0",
       'in a cluster: one of each worker to each primary');

    # scripts are each node's own

    for my $node (@redis[0 .. 2]) {
        $node->command('SCRIPT', 'FLUSH');
        load();
    }

    my $listeners = 0;
    $listeners += listeners($_) for @redis;

    cmp_ok($listeners, '<=', 1, 'one of them listens');
    is($nginx->said(qr/redis connected/), 3 * $workers,
       'and there were no others, not even for a while');
}

# Both workers ask Redis; a user's first request always does.

sub both_ask {
    my ($nginx, $what) = @_;

    for my $worker ($nginx->workers) {
        my $client = $t->client_of($worker, %plain);

        is($client->request('/document',
                            headers => { 'X-User' => "$what$worker" })
                  ->{status}, 200, "$what: a worker asks Redis");
    }
}

# New users only, some of them on connections of their own.

sub load {
    my @got = $t->parallel(4, sub {
        my ($n) = @_;
        my (%seen, @clients);

        for my $i (1 .. 10) {
            @clients = map { $t->client(%plain) } 1 .. 10;

            $clients[$_]->send('/document',
                               headers => { 'X-User' => "user$$.$i.$_" })
                for 0 .. $#clients;
            $seen{ $_->response('GET')->{status} }++ for @clients;
        }

        return join ' ', map { "$_:$seen{$_}" } sort keys %seen;
    });

    is_deeply(\@got, [ ('200:100') x 4 ], 'many ask at once, and pass');
}

sub clients { return grep { /\bname=nginx-gate\b/ }
                     split /\n/, $_[0]->command('CLIENT', 'LIST') }

sub connections { return scalar grep { /\bsub=0\b/ } clients($_[0]) }
sub listeners { return scalar grep { !/\bsub=0\b/ } clients($_[0]) }

# our own connection is one, from the beginning

sub accepted {
    return $_[0]->command('INFO', 'stats')
           =~ /^total_connections_received:(\d+)/m ? $1 : die;
}

# reads from clients, and commands

sub work {
    my $info = $_[0]->command('INFO', 'stats');

    return map { $info =~ /^$_:(\d+)/m ? $1 : die $_ }
           qw(total_reads_processed total_commands_processed);
}

sub asked {
    return $t->get('/metrics', %plain)->{body}
           =~ /redis_questions_total\{question="draw"\} (\d+)/ ? $1 : 0;
}

sub conf {
    my ($redis) = @_;

    return $t->conf(workers => $workers, http => <<"END", server => <<"END2");
    gate_redis {
        $redis
        timeout  1h;
    }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        requests=10 per=1h;
    }
END
        listen  127.0.0.1:$plain;
        gate    counted;

        keepalive_requests  100000;

        location = /pid { gate off; return 200 \$pid; }
        location = /metrics { gate off; gate_metrics; }
END2
}
