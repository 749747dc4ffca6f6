#!/usr/bin/perl

# A download accelerator: 200 connections of one user fetch ranges of a file at
# once.  All together get the limit at most, over HTTP/1.1 and HTTP/2.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $kib = 1024;
my $connections = 200;
my $range = 100 * $kib;
my $limit = 10_050 * $kib;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $file = $t->document('file', $connections * $range);
my $redis = $t->redis;

$t->nginx($t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/er,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10050k per=day %%NOON%%;
    }
END
    server => <<'END'));
        gate                   counted;
        client_header_timeout  10m;
END

# over HTTP/1.1, each a connection of its own, all open before the first asks

my @clients = map { $t->client } 1 .. $connections;

for my $n (0 .. $#clients) {
    my $from = $n * $range;

    $clients[$n]->send('/file', close => 1, headers => {
        'X-User' => 'alice',
        Range => "bytes=$from-" . ($from + $range - 1) });
}

my ($bytes, %status, $wrong) = (0);

for my $n (0 .. $#clients) {
    my $r = $clients[$n]->response('GET');

    $status{ $r->{status} }++;
    next unless $r->{status} == 206;

    $bytes += length $r->{body};
    $wrong++ if $r->{body} ne substr $file, $n * $range, $range;
}

is(join(' ', sort keys %status), '206 429', 'HTTP/1.1: some pass, some not');
is($wrong, undef, 'HTTP/1.1: what came is right');
cmp_ok($bytes, '<=', $limit, 'HTTP/1.1: no more than the limit came');
cmp_ok($bytes, '>=', $limit - $range, 'HTTP/1.1: and no range less');
is($t->settled($redis, '{alice}:counted', 'bytes-day', $bytes), $bytes,
   'HTTP/1.1: Redis has what came');

# over HTTP/2, as streams

my @r = $t->curls([ ('/file') x $connections ],
                  options => [ '-H', 'X-User: bob', '-r',
                               '1000-' . ($range + 999) ]);

%status = ();
$bytes = 0;

for (@r) {
    $status{ $_->{status} }++;
    $bytes += $_->{bytes} if $_->{status} == 206;
}

is(join(' ', sort keys %status), '206 429', 'HTTP/2: some pass, some not');
cmp_ok($bytes, '<=', $limit, 'HTTP/2: no more than the limit came');
cmp_ok($bytes, '>=', $limit - $range, 'HTTP/2: and no range less');
is($t->settled($redis, '{bob}:counted', 'bytes-day', $bytes), $bytes,
   'HTTP/2: Redis has what came');

$t->done;
