#!/usr/bin/perl

# Redis is shut down, or killed, and started again with its data, while
# downloads are under way: nobody gets more than the limit, and it is counted
# exactly, as if nothing had been.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $size = 200_000;
my $limit = 10 * $size;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('document', $size);

my %redis = (
    'snapshot' => $t->redis,
    'log' => $t->redis(options => [ '--appendonly', 'yes', '--appendfsync',
                                    'always', '--appenddirname', 'log' ]),
);

for my $kept ('snapshot', 'log') {
    my $redis = $redis{$kept};
    my @ports = map { $t->port } 1, 2;
    my @nodes = map { $t->nginx(conf($redis), port => $_) } @ports;

    is(status($ports[0]), 200, "$kept: a document by the one");
    is(status($ports[1]), 200, "$kept: a document by the other");

    my @clients = map {
        my $client = $t->client(port => $_);

        $client->send('/slow/document', close => 1,
                      headers => { 'X-User' => 'alice' });
        $client->more while length $client->{buffer} < 10_000;
        $client;
    } @ports;

    # with a point to save at, Redis saves when it is told to end, not before:
    # nothing of what the nodes give back falls between

    $redis->command('CONFIG', 'SET', 'save', '3600 1000000')
        if $kept eq 'snapshot';
    $redis->stop($kept eq 'snapshot' ? 'TERM' : 'KILL');

    is($t->as('1.1', 'bob', '/document', port => $ports[0])->{status}, 503,
       "$kept: without Redis, and without credit: refused");

    $redis->start;

    my ($n, $status) = (4, 0);

    $t->wait_for(sub {
        $status = status($ports[rand 2]);
        $n++ if $status == 200;
        return $status == 429;
    });

    is($status, 429, "$kept: Redis is back: on to the limit");

    for (@clients) {
        my $r = $_->response('GET');

        ok($r->{whole} && $r->{body} eq $document,
           "$kept: a download is whole");
    }

    # what one node holds idle the other may have been refused for

    $t->wait_for(sub {
        for my $port (@ports) {
            $n++ if status($port) == 200;
        }
        return $n >= 10;
    });

    is($n, 10, "$kept: all that fits was delivered, and no more");
    is(status($ports[0]), 429, "$kept: the one refuses");
    is(status($ports[1]), 429, "$kept: the other refuses");
    is($t->settled($redis, '{alice}:counted', 'bytes-day', $limit), $limit,
       "$kept: Redis has it, to the byte");
    ok($t->wait_for(sub { $t->as('1.1', 'bob', '/document',
                                 port => $ports[0])->{status} == 200 }),
       "$kept: others pass without a reload");
}

$t->done;

sub status {
    my ($port) = @_;

    return $t->as('1.1', 'alice', '/document', port => $port, close => 1)
             ->{status};
}

sub conf {
    my ($redis) = @_;

    my $noon = $t->noon;

    return $t->conf(http => <<"END", server => <<'END2');
    gate_redis { server unix:$redis->{socket}; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=$limit per=day $noon;
    }
END
        gate  counted;

        location /slow/ {
            alias             %%DIR%%/docs/;
            limit_rate_after  50k;
            limit_rate        50k;
        }
END2
}
