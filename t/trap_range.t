#!/usr/bin/perl

# Ranges cost what leaves: one, many, the last bytes, the rest of a download,
# none.  A download accelerator gets no more than one patient client.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('report', 200_000);

my $redis = $t->redis;

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 2s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=2m per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }

    server {
        listen  unix:%%DIR%%/backend.sock;
        root    %%DIR%%/docs;
    }

    server {
        listen      unix:%%DIR%%/whole.sock;
        root        %%DIR%%/docs;
        max_ranges  0;
    }
END
        gate  counted;

        client_header_timeout  10m;

        location / { }
        location /proxied/ { proxy_pass http://unix:%%DIR%%/backend.sock:/; }
        location /whole/ {
            proxy_pass          http://unix:%%DIR%%/whole.sock:/;
            proxy_force_ranges  on;
        }
END2

my $etag = $t->as('1.1', 'etag', '/report')->{headers}{etag};

# what for, headers, status, bytes (of multipart/byteranges: more than those)

my @ranges = (
    [ 'one range', { Range => 'bytes=100-299' }, 206, 200 ],
    [ 'many ranges', { Range => 'bytes=0-9,500-999,199990-' }, 206, 520 ],
    [ 'the last bytes', { Range => 'bytes=-1234' }, 206, 1234 ],
    [ 'the rest', { Range => 'bytes=80000-' }, 206, 120_000 ],
    [ 'more than there is', { Range => 'bytes=199000-2000000' }, 206, 1000 ],
    [ 'the whole as a range', { Range => 'bytes=0-' }, 206, 200_000 ],
    [ 'If-Range holds', { Range => 'bytes=0-9', 'If-Range' => $etag },
      206, 10 ],
    [ 'If-Range fails', { Range => 'bytes=0-9', 'If-Range' => '"x"' },
      200, 200_000 ],
    [ 'no such range', { Range => 'bytes=200000-' }, 416, undef ],
    [ 'no range', {}, 200, 200_000 ],
);

my (@came, $n);

for my $from ('/report', '/proxied/report', '/whole/report') {
    for my $http ('1.1', '2') {
        for (@ranges) {
            my ($what, $headers, $status, $bytes) = @$_;

            # nginx forces no more than one range
            next if $from =~ /whole/ && $what eq 'many ranges';

            my $user = 'user' . ++$n;
            my $r = $t->as($http, $user, $from, headers => $headers);
            my $got = length $r->{body};

            $what = "$from HTTP/$http: $what";
            is($r->{status}, $status, $what);
            push @came, [ $user, $got, $what ];

            if ($what =~ /many ranges/) {
                cmp_ok($got, '>', $bytes, "$what, with what frames them");

            } elsif (defined $bytes) {
                is($got, $bytes, "$what: its bytes came");
            }
        }
    }
}

# a download that broke off and goes on

for my $http ('1.1', '2') {
    my $user = "resumed$http";
    my $body = $t->as($http, $user, '/report',
                      headers => { Range => 'bytes=0-45677' })->{body};
    $body .= $t->as($http, $user, '/report',
                    headers => { Range => 'bytes=45678-' })->{body};

    ok($body eq $document, "HTTP/$http: a resumed download is right");
    is($t->taken($redis, "{$user}:counted", 200_000, 2), '200000 2',
       "HTTP/$http: and costs as much as one in one piece");
}

for (@came) {
    my ($user, $got, $what) = @$_;
    is($t->taken($redis, "{$user}:counted", $got, 1), "$got 1",
       "$what: costs what came");
}

# 200 connections of one user want 20 kB each, twice what there is

my @pids;

for my $child (0 .. 7) {
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        my @clients = map { $t->client } 1 .. 25;
        my ($got, $refused, $n) = (0, 0, 0);

        for (@clients) {
            my $at = $n++ % 10 * 20_000;
            $_->send('/report', headers => {
                'X-User' => 'fast',
                Range => "bytes=$at-" . ($at + 19_999),
            });
        }

        for (@clients) {
            my $r = $_->response('GET');
            $got += length $r->{body} if $r->{status} == 206;
            $refused++ if $r->{status} == 429;
        }

        $t->write_file("got$child", "$got $refused");
        kill KILL => $$;
    }

    push @pids, $pid;
}

waitpid $_, 0 for @pids;

my ($got, $refused) = (0, 0);

for (0 .. 7) {
    my ($g, $r) = split ' ', $t->read_file("got$_");
    $got += $g // 0;
    $refused += $r // 0;
}

my $passed = $got / 20_000;
my $limit = 2 * 1024 * 1024;

cmp_ok($got, '<=', $limit, '200 connections: no more than the limit');
is($passed + $refused, 200, '200 connections: whole ranges or refusals');
cmp_ok($got, '>', $limit - 40_000, '200 connections: what fits was given');
is($t->taken($redis, '{fast}:counted', $got, $passed), "$got $passed",
   '200 connections: cost what came');

my @r = $t->curls([ ('/report') x 200 ],
                  options => [ '-H', 'X-User: fast2', '-r', '0-19999' ]);

($got, $refused) = (0, 0);

for (@r) {
    $got += $_->{bytes} if $_->{status} == 206;
    $refused++ if $_->{status} == 429;
}

$passed = $got / 20_000;

cmp_ok($got, '<=', $limit, '200 streams: no more than the limit');
is($passed + $refused, 200, '200 streams: whole ranges or refusals');
cmp_ok($got, '>', $limit - 40_000, '200 streams: what fits was given');
is($t->taken($redis, '{fast2}:counted', $got, $passed), "$got $passed",
   '200 streams: cost what came');

$t->done;
