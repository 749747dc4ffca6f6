#!/usr/bin/perl

# A request that finds credit costs Redis nothing: 1,000 of them are a handful
# of questions.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my @commands = ('eval', 'evalsha', 'ping', 'auth', 'select',
                'client|setname');

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('small', 1000);

my $redis = $t->redis;

$t->nginx($t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/er,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    keepalive_requests  2000;

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=2g per=day %%NOON%%;
        quota        requests=100000 per=1h;
    }
END
    server => <<'END'));
        gate  counted;
        location = /metrics { gate off; gate_metrics; }
END

my $client = $t->client;

# scripts and holds are there

$client->request('/small', headers => { 'X-User' => 'bob' });
$t->settled($redis, '{bob}:counted', 'bytes-day', 1000);

my $before = $redis->calls(@commands) - beside();

my $passed = grep {
    $client->request('/small', headers => { 'X-User' => 'alice' })
           ->{status} == 200
} 1 .. 1000;

is($passed, 1000, '1,000 requests pass over one connection');
is($t->settled($redis, '{alice}:counted', 'requests-1h', 1000), 1000,
   'Redis holds all of them');
is($t->settled($redis, '{alice}:counted', 'bytes-day', 1_000_000), 1_000_000,
   'and their bytes');

# besides, a node looks each second whether Redis is still what it was, and
# tells it each two seconds of usage, however many requests there are

my $sent = $redis->calls(@commands) - beside() - $before;

cmp_ok($sent, '<=', 10, "that took 10 commands at most ($sent)");
cmp_ok($redis->calls('eval', 'evalsha'), '>', 0, 'which were counted');

$t->done;

# What was asked however many requests there were; the first of a kind twice,
# for Redis has not the script.

sub beside {
    my $metrics = $t->get('/metrics')->{body};
    my $n = 0;

    $n += $_ for $metrics =~ /questions_total\{question="(?:beat|usage)"\} (\d+)/g;

    return $n;
}
