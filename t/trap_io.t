#!/usr/bin/perl

# However nginx reads and writes, and however large a response is beside leases
# and limits: what came is what it cost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('report', 300_000);
$t->document('empty', 0);

$t->backend('chunks', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    for (my $at = 0; $at < 300_000; $at += 7777) {
        my $part = substr $document, $at, 7777;
        print $socket sprintf("%x\r\n%s\r\n", length $part, $part);
    }

    print $socket "0\r\n\r\n";
});

my $redis = $t->redis;

my %locations = (
    'sendfile' => 'sendfile on; sendfile_max_chunk 16k;',
    'no-sendfile' => 'sendfile off;',
    'threads' => 'aio threads; sendfile on;',
    'threads-no-sendfile' => 'aio threads; sendfile off;',
    'directio' => 'directio 4k; aio threads;',
    'small-buffers' => 'sendfile off; output_buffers 1 512;',
    'rate' => 'limit_rate 1m;',
    'rate-after' => 'limit_rate_after 100k; limit_rate 400k;',
    'proxied-rate' => 'limit_rate 1m; PROXY',
    'proxied-postponed' => 'postpone_output 60000; PROXY',
    'proxied-tiny' => 'proxy_buffer_size 1k; proxy_buffers 2 1k;
                       proxy_busy_buffers_size 1k; PROXY',
    'proxied-memory' => 'proxy_max_temp_file_size 0; PROXY',
    'proxied-file' => 'proxy_buffers 2 4k; proxy_busy_buffers_size 4k;
                       proxy_temp_file_write_size 8k; PROXY',
    'proxied-threads' => 'aio threads; aio_write on; proxy_buffers 2 4k;
                          proxy_busy_buffers_size 4k; PROXY',
    'unbuffered' => 'proxy_buffering off; PROXY',
    'unbuffered-tiny' => 'proxy_buffering off; proxy_buffer_size 1k; PROXY',
    'chunks' => 'CHUNKS',
    'chunks-tiny' => 'proxy_buffer_size 1k; proxy_buffers 2 1k;
                      proxy_busy_buffers_size 1k; CHUNKS',
    'chunks-rate' => 'limit_rate 1m; CHUNKS',
    'chunks-unbuffered' => 'proxy_buffering off; CHUNKS',
);

sub locations {
    my ($policy) = @_;

    my $conf = '';

    for my $name (sort keys %locations) {
        my $words = $locations{$name};
        my $uri = "/$policy/$name/";

        $words =~ s/PROXY/proxy_pass http:\/\/unix:%%DIR%%\/backend.sock:\/;/;
        $words =~ s/CHUNKS/proxy_pass http:\/\/unix:%%DIR%%\/chunks.sock:\/;/;
        $words .= ' alias %%DIR%%/docs/;' unless $words =~ /proxy_pass/;
        $conf .= "        location $uri { gate $policy; $words }\n";
    }

    return $conf;
}

$t->nginx($t->conf(http => <<'END', server => join '',
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 2s; }

    gate_policy large {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }

    gate_policy small {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        64k idle=1s;
    }

    gate_policy less {
        certificate  off;
        user         $http_x_user;
        quota        bytes=250000 per=day;
        quota        requests=100k per=day;
        lease        64k idle=1s;
    }

    proxy_http_version  1.1;

    server {
        listen  unix:%%DIR%%/backend.sock;
        root    %%DIR%%/docs;
    }
END
    map { locations($_) } 'large', 'small', 'less'));

my (@came, $n);

for my $http ('1.1', '2') {
    for my $name (sort keys %locations) {
        for my $policy ('large', 'small') {
            my $user = 'user' . ++$n;
            my $r = $t->as($http, $user, "/$policy/$name/report");
            my $what = "HTTP/$http $name, $policy lease";

            ok($r->{body} eq $document, "$what: the document came");
            push @came, [ "{$user}:$policy", 300_000, 1, $what ];
        }

        # more than the limit: refused if its length is known, else cut

        my $user = 'user' . ++$n;
        my $r = $t->as($http, $user, "/less/$name/report");
        my $what = "HTTP/$http $name, more than the limit";
        my $got = length $r->{body};

        if ($name =~ /chunks/) {
            ok(!($http eq '2' ? $r->{exit} == 0 : $r->{whole}),
               "$what: cut, and the client knows");
            cmp_ok($got, '<=', 250_000, "$what: no more than the limit");
            ok($r->{body} eq substr($document, 0, $got), "$what: its begin");
            push @came, [ "{$user}:less", $got, 1, $what ];

        } else {
            is($r->{status}, 429, "$what: refused");
            push @came, [ "{$user}:less", 0, 0, $what ];
        }

        next if $name =~ /chunks/;

        $user = 'user' . ++$n;
        $r = $t->as($http, $user, "/less/$name/empty");
        $what = "HTTP/$http $name, an empty document";
        is("$r->{status} '$r->{body}'", "200 ''", "$what: came");
        push @came, [ "{$user}:less", 0, 1, $what ];
    }
}

for (@came) {
    my ($account, $bytes, $requests, $what) = @$_;
    is($t->taken($redis, $account, $bytes, $requests), "$bytes $requests",
       "$what: costs what came");
}

$t->done;
