#!/usr/bin/perl

# A client that reads slowly, or stops reading, holds what was reserved for it
# and no more: others of the same account get the rest of the limit meanwhile,
# and what it reads in the end is what it pays.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::Gate;
use Test::More;

my $size = 2_000_000;
my $limit = 2_500_000;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('report', $size);

$t->document('some', 400_000);
$t->document('step', 100_000);
$t->backend('chunks', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    print $socket sprintf("%x\r\n", length $1), $1, "\r\n"
        while $document =~ /\G(.{1,10000})/gs;
    print $socket "0\r\n\r\n";
});

my $redis = $t->redis;

$t->nginx($t->conf(http => <<"END", server => <<'END2')
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=$limit per=day @{[ $t->noon ]};
        lease        64k idle=1s;
    }

    proxy_buffering  off;
END
        gate  counted;

        location /chunks { proxy_pass http://unix:%%DIR%%/chunks.sock; }
END2
    =~ s/ssl http2;/ssl http2 sndbuf=32k;/r);

for my $http ('1.1', '2') {
    known($http);
    unknown($http);
}

$t->done;

# Reserved whole before its first byte leaves.

sub known {
    my ($http) = @_;

    my $user = "known-$http";
    my $what = "HTTP/$http, of known length";
    my $slow = slow($http, $user, '/report');

    is(status($user, 'some'), 200, "$what: beside it others get the rest");
    is(status($user, 'some'), 429, "$what: and no more");

    my $got = $slow->();

    is($got, $size, "$what: it comes whole in the end");
    is($t->settled($redis, "{$user}:counted", 'bytes-day', $size + 400_000),
       $size + 400_000, "$what: and costs what came");
}

# Charged as it flows: others may take all that is left meanwhile.

sub unknown {
    my ($http) = @_;

    my $user = "unknown-$http";
    my $what = "HTTP/$http, of unknown length";
    my $slow = slow($http, $user, '/chunks');
    my $others = 0;

    $others += 100_000 while $others < $limit && status($user, 'step') == 200;

    cmp_ok($others, '>=', 1_500_000, "$what: beside it others get the rest");
    is(status($user, 'step'), 429, "$what: and no more");

    my $got = $slow->();

    cmp_ok($got + $others, '<=', $limit, "$what: together the limit at most");
    cmp_ok($got, '<', $size, "$what: it is cut");
    cmp_ok($got, '>', 0, "$what: where the limit is");

    # what of it a cut connection dropped on its way nobody knows

    my $granted;

    $t->wait_for(sub {
        $granted = $t->granted($redis, "{$user}:counted", 'bytes-day');
        return $granted <= $got + $others + 300_000;
    });

    cmp_ok($granted, '>=', $got + $others, "$what: and costs what came");
    cmp_ok($granted, '<=', $limit, "$what: no more than the limit");
}

# One who has begun to read and stands still; what it returns reads the rest,
# some bytes at a time, and says how many came.

sub slow {
    my ($http, $user, $uri) = @_;

    return slow2($user, $uri) if $http eq '2';

    my $client = $t->client;

    setsockopt $client->{socket}, SOL_SOCKET, SO_RCVBUF, 8192;
    $client->send($uri, close => 1, headers => { 'X-User' => $user });
    $client->more while $client->{buffer} !~ /\r\n\r\n./s;

    return sub { return length $client->response('GET')->{body} };
}

# curl stands still as soon as nobody reads what it writes

sub slow2 {
    my ($user, $uri) = @_;

    my $pid = open my $curl, '-|', 'curl', '-q', '-s', '--insecure', '--http2',
                   '-N', '-H', "X-User: $user",
                   "https://127.0.0.1:$t->{port}$uri" or die "curl: $!";

    sysread $curl, my $got, 1 or die 'nothing came';

    return sub {
        while (sysread $curl, $got, 1000, length $got) { }
        close $curl;
        return length $got;
    };
}

sub status {
    my ($user, $name) = @_;

    return $t->as('1.1', $user, "/$name", close => 1)->{status};
}
