#!/usr/bin/perl

# What a filter or a backend makes of a document costs what leaves: smaller by
# gzip, larger by gunzip and sub_filter, in chunks of unknown length.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Compress::Gzip qw(gzip);
use IO::Uncompress::Gunzip qw(gunzip);
use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');

my $text = join '', map { "line $_ of a long report\n" } 1 .. 8000;
my $loud = $text =~ s/long/very long/gr;
my $size = length $text;

gzip(\$text, \my $zipped);
$t->write_file('docs/report', $text);
$t->write_file('docs/zipped/report.gz', $zipped);

$t->backend('chunks', sub {
    my ($socket, $head) = @_;

    my ($name) = $head =~ m{^GET /(\w*)};

    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
                  $name eq 'off' ? "X-Accel-Buffering: no\r\n" : '', "\r\n";

    for (my $at = 0; $at < $size; $at += 7777) {
        my $part = substr $text, $at, 7777;
        print $socket sprintf("%x\r\n%s\r\n", length $part, $part);
    }

    print $socket "0\r\n\r\n";
});

$t->backend('closing', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.0 200 OK\r\n\r\n$text";
});

my $redis = $t->redis;

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 2s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }

    gzip_types          *;
    gzip_proxied        any;
    proxy_http_version  1.1;

    server {
        listen  unix:%%DIR%%/backend.sock;
        root    %%DIR%%/docs;

        location /zipped/ {
            add_header    Content-Encoding gzip;
            default_type  text/plain;
            try_files     $uri.gz =404;
        }
    }
END
        gate  counted;

        location / { }
        location /gzip/ {
            gzip   on;
            alias  %%DIR%%/docs/;
        }
        location /gzipped/ {
            gzip        on;
            proxy_pass  http://unix:%%DIR%%/backend.sock:/;
        }
        location /static/ {
            gzip_static  always;
            alias        %%DIR%%/docs/zipped/;
        }
        location /upstream/ {
            proxy_pass  http://unix:%%DIR%%/backend.sock:/zipped/;
        }
        location /gunzip/ {
            gunzip      on;
            proxy_pass  http://unix:%%DIR%%/backend.sock:/zipped/;
        }
        location /sub/ {
            sub_filter        long "very long";
            sub_filter_once   off;
            sub_filter_types  *;
            alias             %%DIR%%/docs/;
        }
        location /subgzip/ {
            gzip              on;
            sub_filter        long "very long";
            sub_filter_once   off;
            sub_filter_types  *;
            proxy_pass        http://unix:%%DIR%%/backend.sock:/;
        }
        location /chunks/ { proxy_pass http://unix:%%DIR%%/chunks.sock:/; }
        location /unbuffered/ {
            proxy_buffering  off;
            proxy_pass       http://unix:%%DIR%%/chunks.sock:/;
        }
        location /accel/ { proxy_pass http://unix:%%DIR%%/chunks.sock:/off; }
        location /chunkgzip/ {
            gzip        on;
            proxy_pass  http://unix:%%DIR%%/chunks.sock:/;
        }
        location /closing/ { proxy_pass http://unix:%%DIR%%/closing.sock:/; }
        location /closingoff/ {
            proxy_buffering  off;
            proxy_pass       http://unix:%%DIR%%/closing.sock:/;
        }
END2

# uri, what for, the client takes gzip, it comes as gzip, as a text

my @kinds = (
    [ '/gzip/report', 'gzip of a file', 1, 1, $text ],
    [ '/gzip/report', 'a file not to be compressed', 0, 0, $text ],
    [ '/gzipped/report', 'gzip of a backend', 1, 1, $text ],
    [ '/static/report', 'gzip_static', 1, 1, $text ],
    [ '/upstream/report', 'a backend that compresses', 1, 1, $text ],
    [ '/gunzip/report', 'gunzip', 0, 0, $text ],
    [ '/gunzip/report', 'gunzip not wanted', 1, 1, $text ],
    [ '/sub/report', 'sub_filter', 0, 0, $loud ],
    [ '/subgzip/report', 'sub_filter and gzip', 1, 1, $loud ],
    [ '/chunks/', 'chunks of a backend', 0, 0, $text ],
    [ '/unbuffered/', 'chunks with proxy_buffering off', 0, 0, $text ],
    [ '/accel/', 'chunks with X-Accel-Buffering', 0, 0, $text ],
    [ '/chunkgzip/', 'chunks and gzip', 1, 1, $text ],
    [ '/closing/', 'a backend that closes', 0, 0, $text ],
    [ '/closingoff/', 'one that closes, proxy_buffering off', 0, 0, $text ],
);

my (@came, $n);

for my $http ('1.1', '2') {
    for (@kinds) {
        my ($uri, $what, $takes, $comes, $expected) = @$_;
        my $user = 'user' . ++$n;
        my $r = $t->as($http, $user, $uri, headers => {
            $takes ? ('Accept-Encoding' => 'gzip') : ()
        });
        my $body = $r->{body};

        is($r->{headers}{'content-encoding'} // '', $comes ? 'gzip' : '',
           "HTTP/$http: $what: its encoding");
        gunzip(\$r->{body}, \$body) if $comes;
        ok($body eq $expected, "HTTP/$http: $what: the text came");
        push @came, [ $user, length $r->{body}, "HTTP/$http: $what" ];
    }
}

for (@came) {
    my ($user, $bytes, $what) = @$_;
    is($t->taken($redis, "{$user}:counted", $bytes, 1), "$bytes 1",
       "$what: costs what came");
}

$t->done;
