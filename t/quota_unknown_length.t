#!/usr/bin/perl

# A response whose length nobody knows is charged as it flows and cut at the
# limit, so that the client knows that it is not whole.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $limit = 3 * 1024 * 1024;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('long', 5_000_000);
$t->document('short', 1_000_000);

my $redis = $t->redis;

# SSI makes a length unknown, so the backend sends chunks

$t->nginx($t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/er,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=3m per=day %%NOON%%;
    }

    server {
        listen     unix:%%DIR%%/backend.sock;
        root       %%DIR%%/docs;
        ssi        on;
        ssi_types  *;
    }
END
    server => <<'END'));
        gate  counted;

        location /gzip/ {
            alias       %%DIR%%/docs/;
            gzip        on;
            gzip_types  *;
        }

        location /chunked/ {
            proxy_pass          http://unix:%%DIR%%/backend.sock:/;
            proxy_http_version  1.1;
        }

        location / { }
END

for my $from (qw(gzip chunked)) {
    for my $http ('1.1', '2') {
        my $user = "$from$http";
        my $what = "HTTP/$http $from";
        my %o = (headers => { 'Accept-Encoding' => 'gzip' });

        my $r = $t->as($http, $user, "/$from/short", %o);

        is($r->{status}, 200, "$what: what fits passes");
        ok(!defined $r->{headers}{'content-length'},
           "$what: its length is unknown");
        $http eq '1.1' ? ok($r->{whole}, "$what: it is whole")
                       : is($r->{exit}, 0, "$what: it is whole");

        my $delivered = length $r->{body};

        $r = $t->as($http, $user, "/$from/long", %o);
        $delivered += length $r->{body};

        is($r->{status}, 200, "$what: what is too long begins");
        $http eq '1.1' ? ok(!$r->{whole}, "$what: ends without a last chunk")
                       : is($r->{exit}, 92, "$what: the stream is reset");

        ok(substr($document, 0, length $r->{body}) eq $r->{body},
           "$what: what came is right") if $from eq 'chunked';

        cmp_ok($delivered, '<=', $limit, "$what: no more than the limit");
        cmp_ok($delivered, '>', $limit - 256 * 1024,
               "$what: but about as much");
        is($t->settled($redis, "{$user}:counted", 'bytes-day', $delivered),
           $delivered, "$what: Redis holds what was delivered");

        is($t->as($http, $user, '/short')->{status}, 429,
           "$what: the next is refused");
    }
}

$t->done;
