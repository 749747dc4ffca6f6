#!/usr/bin/perl

# What a client sends costs nothing: only what it gets.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');

$t->backend('backend', sub {
    my ($socket, $head, $body) = @_;

    printf $socket "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n%10d",
                   length $body;
});

my $redis = $t->redis;

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 2s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=1m per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }
END
        gate  counted;

        client_max_body_size  10m;

        location / { proxy_pass http://unix:%%DIR%%/backend.sock:/; }
        location /through/ {
            proxy_request_buffering  off;
            proxy_http_version       1.1;
            proxy_pass               http://unix:%%DIR%%/backend.sock:/;
        }
END2

my $size = 5 * 1024 * 1024;
my $upload = 'x' x $size;

for my $http ('1.1', '2') {
    for my $to ('/', '/through/') {
        my $user = "up$http" . length $to;
        my $r = $t->as($http, $user, $to, method => 'POST', body => $upload);

        is($r->{body}, sprintf('%10d', $size),
           "HTTP/$http $to: more than the limit is uploaded");
        is($t->taken($redis, "{$user}:counted", 10, 1), '10 1',
           "HTTP/$http $to: costs what came back");
    }
}

$t->done;
