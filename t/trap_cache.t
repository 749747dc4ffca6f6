#!/usr/bin/perl

# A document costs the same wherever nginx has it from: the backend, its cache,
# or the cache that stands in for a backend that is gone.

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

my $backend = $t->backend('backend', sub {
    my ($socket, $head) = @_;

    my $header = "Content-Type: text/plain\r\nETag: \"one\"\r\n"
                 . "Accept-Ranges: bytes\r\n";

    if (my ($from, $to) = $head =~ /^Range: bytes=(\d+)-(\d+)/mi) {
        $to = 199_999 if $to > 199_999;
        my $part = substr $document, $from, $to - $from + 1;
        print $socket "HTTP/1.1 206 Partial Content\r\n$header",
                      "Content-Range: bytes $from-$to/200000\r\n",
                      'Content-Length: ', length $part, "\r\n\r\n", $part;
        return;
    }

    print $socket "HTTP/1.1 200 OK\r\n$header",
                  "Content-Length: 200000\r\n\r\n$document";
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

    proxy_cache_path  %%DIR%%/cache keys_zone=cache:1m use_temp_path=off;
END
        gate  counted;

        proxy_cache      cache;
        proxy_cache_key  $uri;
        add_header       X-Cache $upstream_cache_status always;

        location /kept/ {
            proxy_cache_valid  200 1h;
            proxy_pass         http://unix:%%DIR%%/backend.sock:/;
        }
        location /stale/ {
            proxy_cache_valid      200 1s;
            proxy_cache_use_stale  error;
            proxy_pass             http://unix:%%DIR%%/backend.sock:/;
        }
        location /sliced/ {
            slice              16k;
            proxy_set_header   Range $slice_range;
            proxy_cache_key    $uri$slice_range;
            proxy_cache_valid  200 206 1h;
            proxy_pass         http://unix:%%DIR%%/backend.sock:/;
        }
END2

my (@came, $n);

sub fetch {
    my ($http, $uri, $cached, $what, %headers) = @_;

    my $user = 'user' . ++$n;
    my $r = $t->as($http, $user, $uri, headers => \%headers);
    my $size = length $r->{body};

    is($r->{headers}{'x-cache'}, $cached, "HTTP/$http: $what: $cached");
    push @came, [ $user, $size, 1, "HTTP/$http: $what" ];

    return $r;
}

for my $http ('1.1', '2') {
    my $uri = "/kept/report$http";

    ok(fetch($http, $uri, 'MISS', 'a miss')->{body} eq $document,
       "HTTP/$http: a miss is right");
    ok(fetch($http, $uri, 'HIT', 'a hit')->{body} eq $document,
       "HTTP/$http: a hit is right");
    is(length fetch($http, $uri, 'HIT', 'a range of a hit',
                    Range => 'bytes=100-299')->{body}, 200,
       "HTTP/$http: a range of a hit is right");
    is(fetch($http, $uri, 'HIT', 'a hit that is known',
             'If-None-Match' => '"one"')->{status}, 304,
       "HTTP/$http: a hit that is known has no body");

    $uri = "/sliced/report$http";

    ok(fetch($http, $uri, 'MISS', 'slices missed')->{body} eq $document,
       "HTTP/$http: slices missed are right");
    ok(fetch($http, $uri, 'HIT', 'slices hit')->{body} eq $document,
       "HTTP/$http: slices hit are right");
    is(length fetch($http, $uri, 'HIT', 'a range over slices',
                    Range => 'bytes=16000-40000')->{body}, 24_001,
       "HTTP/$http: a range over slices is right");

    fetch($http, "/stale/report$http", 'MISS', 'what will be stale');
}

$backend->stop;

for my $http ('1.1', '2') {
    my $uri = "/stale/report$http";

    $t->wait_for(sub {
        my $r = $t->as($http, 'probe', $uri, method => 'HEAD');
        return $r->{headers}{'x-cache'} eq 'STALE';
    });

    ok(fetch($http, $uri, 'STALE', 'stale')->{body} eq $document,
       "HTTP/$http: the stale document is right");
}

for (@came) {
    my ($user, $bytes, $requests, $what) = @$_;
    is($t->taken($redis, "{$user}:counted", $bytes, $requests),
       "$bytes $requests", "$what: costs what came");
}

$t->done;
