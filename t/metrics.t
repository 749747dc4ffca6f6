#!/usr/bin/perl

# gate_metrics: what was judged, and how Redis does, in Prometheus' text format.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP', '192.0.2.0/24' => 'DE');
$t->document('document', 1000);

my $redis = $t->redis;
my $nginx = $t->nginx(conf("gate_redis { server unix:$redis->{socket}; }"));

is(status('alice'), 200, 'one passes') for 1 .. 3;
is(status('alice'), 429, 'one is refused');
is(status('bob', '192.0.2.1'), 403, 'one from elsewhere');
is(status('alice', undef, '/dry/document'), 200, 'one in a dry run');

my %is = metrics();

is($is{'requests_total{policy="counted",verdict="passed",reason=""}'}, 3,
   'passed');
is($is{'requests_total{policy="counted",verdict="denied",reason="quota"}'}, 1,
   'quota');
is($is{'requests_total{policy="counted",verdict="denied",reason="country"}'}, 1,
   'country');
is($is{'requests_total{policy="counted",verdict="denied_dry_run",reason="quota"}'}, 1,
   'a dry run');

is($is{'sent_bytes_total{policy="counted"}'}, 4000, 'bytes that left');
is($is{'sent_bytes_total{policy=""}'}, 0, 'and none without a policy');
is($is{drawn_requests_total}, 3, 'all of the quota was drawn');
is($is{drawn_bytes_total}, 0, 'of bytes there is none');
is($is{zone_accounts}, 1, 'who is refused elsewhere has no account');
cmp_ok($is{zone_room_bytes} - $is{zone_free_bytes}, '>', 0, 'it takes room');
cmp_ok($is{zone_room_bytes}, '<', $is{zone_size_bytes}, 'within the zone');
is($is{zone_full_total} + $is{zone_evictions_total}, 0, 'which is not full');
like($is{'geo_database_build_timestamp_seconds{file="'
         . $t->dir . '/country.mmdb"}'}, qr/^1\d{9}$/, 'a database');

is($is{redis_up}, 1, 'Redis is there');
cmp_ok($is{'redis_questions_total{question="draw"}'}, '>=', 1, 'draws');
ok($t->wait_for(sub { $t->get('/metrics')->{body}
                      =~ /question="beat"\} [1-9]/ }), 'beats');
is($is{'redis_failures_total{cause="unanswered"}'}, 0, 'no failure');

my $n = $is{redis_latency_seconds_count};

cmp_ok($n, '>=', 2, 'answers were timed');
is($is{'redis_latency_seconds_bucket{le="+Inf"}'}, $n, 'in buckets');

my @buckets = map { $is{"redis_latency_seconds_bucket{le=\"$_\"}"} }
              qw(0.001 0.002 0.005 0.010 0.025 0.050 0.100 0.250 0.500 1.000);

is(join(' ', @buckets), join(' ', sort { $a <=> $b } @buckets),
   'each bucket has those before');

# Redis goes away

$redis->halt;
is(status('carol'), 503, 'Redis does not answer');
%is = metrics();
is($is{redis_up}, 0, 'Redis is not there');
cmp_ok($is{'redis_failures_total{cause="unanswered"}'}, '>=', 1,
       'a question was not answered');
status('carol');
%is = metrics();
cmp_ok($is{'redis_failures_total{cause="unsent"}'}, '>=', 1,
       'or was not even sent');
is($is{'requests_total{policy="counted",verdict="denied",reason="unavailable"}'}, 2,
   'and that is why');
$redis->go_on;

# a reload keeps the counts; without Redis nothing is said of it

$nginx->reload(conf(''));
%is = metrics();
is($is{'requests_total{policy="counted",verdict="passed",reason=""}'}, 3,
   'a reload keeps them');
is(scalar(grep { /^(redis|drawn|settled|usage)/ } keys %is), 0,
   'without Redis nothing is said of it');

# a policy that is renamed begins anew; its name may have anything in it

my $odd = "a\\\\b\\\"c\xc3\xa9\xff";

$nginx->reload(conf('') =~ s/counted/"$odd"/gr);
is(status('dave'), 200, 'one passes');
is($t->metric('requests_total{policy="a\\\\b\\"c' . "\xc3\xa9\xef\xbf\xbd"
              . '",verdict="passed",reason=""}', 1), 1, 'it is escaped');
%is = metrics();
is(scalar(grep { /"counted"/ } keys %is), 0, 'the old name is gone');
$nginx->reload(conf(''));
%is = metrics();
is($is{'requests_total{policy="counted",verdict="passed",reason=""}'}, 3,
   'it comes back with what it had');

is($t->get('/metrics', method => 'POST', body => 'a')->{status}, 405,
   'it is not for POST');
is($t->as('2', 'x', '/metrics', method => 'HEAD')->{body}, '', 'HEAD');

$t->done;

# name and value of all; each line is one that Prometheus reads

sub metrics {
    my $r = $t->get('/metrics');
    my (%is, %typed);

    is($r->{headers}{'content-type'},
       'text/plain; version=0.0.4; charset=utf-8', 'as Prometheus wants it');

    for (split /\n/, $r->{body}) {
        $typed{$1} = 1, next if /^# TYPE (\w+) (?:counter|gauge|histogram)$/;
        next if /^# HELP \w+ [A-Z].*\.$/;

        my ($name, $labels, $value)
            = /^(\w+)((?:\{(?:\w+="(?:[^"\\]|\\[\\"n])*",?)+\})?)
               \ (\d+(?:\.\d+)?)$/x;

        ok(0, "a line: $_"), next unless defined $value;
        ok(0, "no type: $_")
            unless $typed{$name =~ s/_(?:bucket|sum|count)$//r};
        $is{"$name$labels" =~ s/^nginx_gate_//r} = $value;
    }

    return %is;
}

sub status {
    my ($user, $from, $uri) = @_;

    return $t->get($uri // '/document', from => $from // '203.0.113.1',
                   headers => { 'X-User' => $user })->{status};
}

sub conf {
    my ($redis) = @_;

    return $t->conf(workers => 1, http => <<"END", server => <<'END2');
    $redis

    gate_policy counted {
        certificate    off;
        user           \$http_x_user;
        allow_country  JP;
        quota          requests=3 per=day;
    }
END
        gate  counted;

        location = /metrics {
            gate  off;
            gate_metrics;
        }

        location /dry/ {
            gate_dry_run  on;
            alias         %%DIR%%/docs/;
        }
END2
}
