#!/usr/bin/perl

# A user has 20 requests in an hour, on all nodes together; a request that was
# refused, for whatever reason, takes none of them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $limit = 20;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('small', 1000);
$t->document('large', 200_000);

my $redis = $t->redis;
my $conf = $t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/er,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        requests=20 per=1h;
        quota        bytes=100k per=day %%NOON%%;
    }
END
    server => '        gate  counted;');

$t->nginx($conf);

my $second = $t->port;
$t->nginx($conf =~ s/access\.log/second.log/r, port => $second);

# as many as there are

my $client = $t->client;

is(passed($client, 'alice', $limit), $limit, 'as many as the limit pass');

my $r = ask($client, 'alice', '/small');
my $wait = $r->{headers}{'retry-after'} // '';

is($r->{status}, 429, 'the next is refused');
like($t->logged($limit + 1), qr/^429 "DENIED" "quota" "counted" "alice"/,
     'the log says why');
like($wait, qr/^[1-9]\d*$/, 'Retry-After is a number of seconds');
cmp_ok($wait, '<=', 3900, 'Retry-After is an hour and a slot at most');

is(passed($client, 'alice', 3), 0, 'those after it are refused');
is($t->get('/small', port => $second, headers => { 'X-User' => 'alice' })
     ->{status}, 429, 'another nginx refuses too');
is($t->settled($redis, '{alice}:counted', 'requests-1h', $limit), $limit,
   'Redis holds the requests that passed');
is($t->settled($redis, '{alice}:counted', 'bytes-day', $limit * 1000),
   $limit * 1000, 'and their bytes');

# refused for bytes

for my $http ('1.1', '2') {
    my $user = "bob$http";

    is($t->as($http, $user, '/large')->{status}, 429,
       "HTTP/$http: a large document is refused, request $_") for 1 .. 3;
    is(passed($client, $user, $limit), $limit,
       "HTTP/$http: they gave their unit back");
    is(passed($client, $user, 1), 0, "HTTP/$http: and no more than that");
}

# HEAD

is(passed($client, 'carol', $limit, '/large', method => 'HEAD'), $limit,
   'HEAD passes, whatever the size');
is(passed($client, 'carol', 1, '/large', method => 'HEAD'), 0,
   'HEAD counts as a request');
is($t->settled($redis, '{carol}:counted', 'requests-1h', $limit), $limit,
   'Redis holds requests by HEAD');
is($t->settled($redis, '{carol}:counted', 'bytes-day', 0), 0,
   'HEAD costs no bytes');

# two nodes at once

my @passed = $t->parallel(8, sub {
    my ($n) = @_;

    my $client = $t->client(port => $n % 2 ? $second : $t->{port});
    return passed($client, 'dave', 6);
});

my $passed = 0;
$passed += $_ for @passed;

cmp_ok($passed, '<=', $limit, 'two nodes: no more than the limit pass');
is($t->settled($redis, '{dave}:counted', 'requests-1h', $passed), $passed,
   'two nodes: Redis holds those that passed');
is(passed($client, 'dave', $limit), $limit - $passed,
   'two nodes: what is left passes when it is quiet');

$t->done;

sub ask {
    my ($client, $user, $uri, %o) = @_;

    return $client->request($uri, headers => { 'X-User' => $user }, %o);
}

# so many requests over one connection: how many of them passed

sub passed {
    my ($client, $user, $n, $uri, %o) = @_;

    return scalar grep { ask($client, $user, $uri // '/small', %o)
                           ->{status} == 200 } 1 .. $n;
}
