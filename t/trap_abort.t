#!/usr/bin/perl

# Clients that go away at any byte of a response pay for what nginx had sent
# them, no less and no more than the whole; what was reserved for the rest comes
# back, and fits again to its last byte.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $size = 3_000_000;
my $limit = 2 * $size;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('report', $size);

$t->document('rest', $limit + 1);
$t->backend('chunks', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                  sprintf("%x\r\n", $size), $document, "\r\n0\r\n\r\n";
});

my $redis = $t->redis;

# what nginx had sent, which TLS may hold some of, and what of it was to come

my $tls = 16_384;
my $conf = $t->conf(http => <<"END", server => <<'END2');
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    log_format  sent  '\$http_x_user \$body_bytes_sent';

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=$limit per=day @{[ $t->noon ]};
        lease        64k idle=1s;
    }

    server {
        listen  unix:%%DIR%%/backend.sock;
        root    %%DIR%%/docs;
    }
END
        gate        counted;
        access_log  %%DIR%%/sent.log sent;

        location /file/     { alias %%DIR%%/docs/; }
        location /proxied/  { proxy_pass http://unix:%%DIR%%/backend.sock:/; }
        location /chunks/   { proxy_pass http://unix:%%DIR%%/chunks.sock:/; }
        location /straight/ {
            proxy_buffering  off;
            proxy_pass       http://unix:%%DIR%%/chunks.sock:/;
        }
END2

$conf =~ s/ssl http2;/ssl http2 sndbuf=32k;/;

my $nginx = $t->nginx($conf);

# how much of the body they read; -1: they do not wait for the header

my @bytes = (-1, 0, 1, 100, 16_383, 16_384, 16_385, 65_536, 1_000_000,
             $size - 1);
my (%got, $n);

for my $http ('1.1', '2') {
    for my $from (qw(file proxied chunks straight)) {
        for my $bytes ($http eq '2' ? grep { $_ > 0 } @bytes : @bytes) {
            my $user = join '-', 'user', ++$n, $http =~ tr/.//dr, $from,
                                 $bytes < 0 ? 'none' : $bytes;

            $got{$user} = $http eq '2' ? leave2($user, $from, $bytes)
                                       : leave($user, $from, $bytes);
        }
    }
}

# at its end nginx tells Redis of everything

$nginx->stop;

my %paid = map { $_ => $t->granted($redis, "{$_}:counted", 'bytes-day') }
               sort keys %got;
my %sent = map { split } split /\n/, $t->read_file('sent.log');

for my $user (sort keys %got) {
    my ($http, $from, $bytes) = (split /-/, $user)[2 .. 4];

    cmp_ok($paid{$user}, '>=', $got{$user}, "$user: pays for what came");
    cmp_ok($paid{$user}, '<=', $size, "$user: and no more than it all");
    cmp_ok($paid{$user}, '<=', $sent{$user} + $tls,
           "$user: nor than what was sent") if $http eq '11';

    # who leaves early does not pay for what stayed

    cmp_ok($paid{$user}, '<', $size, "$user: but for what was sent")
        if $bytes eq 'none' || $bytes < $size / 2;
}

$nginx->start($conf);

for my $user (grep { /-(file|straight)-(none|1|1000000)$/ } sort keys %got) {
    my $rest = $limit - $paid{$user};

    is(rest($user, $rest + 1), 429, "$user: a byte more than is left: refused");
    is(rest($user, $rest), 206, "$user: what is left is delivered");
    is(rest($user, 1), 429, "$user: and then nothing");
}

$t->done;

# How many bytes of the body came until it went away.

sub leave {
    my ($user, $from, $bytes) = @_;

    my $client = $t->client;
    my $head;

    $client->send("/$from/report", headers => { 'X-User' => $user });

    while ($bytes >= 0) {
        ($head) = $client->{buffer} =~ /^(.*?\r\n\r\n)/s;

        last if defined $head
                && length($client->{buffer}) - length $head >= $bytes;
        $client->more or last;
    }

    $client->close;

    return $bytes < 0 ? 0 : body($client->{buffer}, length($head // ''));
}

# The same without what chunks are framed in.

sub body {
    my ($text, $head) = @_;

    my $chunked = $text =~ /^Transfer-Encoding: chunked/mi;
    my $n = length($text) - $head;

    return $n unless $chunked;

    my $sum = 0;
    my $body = substr $text, $head;

    while ($body =~ /\G([0-9a-f]+)\r\n/gc) {
        my $left = length($body) - pos $body;
        my $here = hex $1;

        return $sum + $left if $here > $left;
        $sum += $here;
        pos($body) += $here + 2 > $left ? $left : $here + 2;
    }

    return $sum;
}

# Over HTTP/2 by a curl that is cut off.

sub leave2 {
    my ($user, $from, $bytes) = @_;

    my $file = $t->dir . '/some';

    system("curl -q -s --insecure --http2 -H 'X-User: $user' "
           . "https://127.0.0.1:$t->{port}/$from/report 2> /dev/null "
           . "| head -c $bytes > $file");

    return -s $file;
}

sub rest {
    my ($user, $bytes) = @_;

    my $r = $t->get('/file/rest', close => 1, headers => {
        'X-User' => $user, Range => 'bytes=0-' . ($bytes - 1) });

    return $r->{status} == 206 && length $r->{body} != $bytes
           ? 'in pieces' : $r->{status};
}
