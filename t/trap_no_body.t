#!/usr/bin/perl

# What has no body costs no bytes, and passes when there are none left; what
# would have one is then refused before the backend sees it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 100_000);
$t->document('empty', 0);

my $redis = $t->redis;

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 2s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=100000 per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }

    server {
        listen      unix:%%DIR%%/backend.sock;
        access_log  %%DIR%%/backend.log;
        root        %%DIR%%/docs;

        location /nothing { return 204; }
    }
END
        gate  counted;

        location / { }
        location /proxied/ { proxy_pass http://unix:%%DIR%%/backend.sock:/; }
        location /unbuffered/ {
            proxy_buffering  off;
            proxy_pass       http://unix:%%DIR%%/backend.sock:/;
        }
END2

my ($etag, $date) = @{ $t->as('1.1', 'first', '/report')->{headers} }
                      {'etag', 'last-modified'};

my @kinds = (
    [ 'HEAD', 200, '/report', method => 'HEAD' ],
    [ 'If-None-Match', 304, '/report', headers =>
      { 'If-None-Match' => $etag } ],
    [ 'If-Modified-Since', 304, '/report', headers =>
      { 'If-Modified-Since' => $date } ],
);
my @empty = (
    [ 'nothing', 204, '/nothing' ],
    [ 'an empty document', 200, '/empty' ],
);

my @came;

for my $http ('1.1', '2') {
    for my $from ('', '/proxied', '/unbuffered') {
        my $user = "few$http" . $from =~ s{/}{-}r;
        my $requests = 0;

        for (@kinds, @empty) {
            my ($what, $status, $uri, %o) = @$_;

            next if $from eq '' && $uri eq '/nothing';
            my $r = $t->as($http, $user, "$from$uri", %o);
            is("$r->{status} '$r->{body}'", "$status ''",
               "HTTP/$http$from: $what");
            $requests++;
        }

        push @came, [ $user, 0, $requests, "HTTP/$http$from: no body" ];
    }
}

for (@came) {
    my ($user, $bytes, $requests, $what) = @$_;
    is($t->taken($redis, "{$user}:counted", $bytes, $requests),
       "$bytes $requests", "$what: costs no bytes");
}

# with all bytes used

for my $http ('1.1', '2') {
    my $user = "used$http";

    is($t->as($http, $user, '/report')->{status}, 200,
       "HTTP/$http: the quota is used to its end");

    my $seen = () = $t->read_file('backend.log') =~ /\n/g;

    for my $from ('', '/proxied', '/unbuffered') {
        my $r = $t->as($http, $user, "$from/report");
        is($r->{status}, 429, "HTTP/$http$from: GET is refused");

        $r = $t->as($http, $user, "$from/empty");
        is($r->{status}, 429, "HTTP/$http$from: whatever would have come");
    }

    my $now = () = $t->read_file('backend.log') =~ /\n/g;
    is($now, $seen, "HTTP/$http: the backend sees nothing of it");

    for my $from ('', '/proxied', '/unbuffered') {
        for (@kinds) {
            my ($what, $status, $uri, %o) = @$_;
            my $r = $t->as($http, $user, "$from$uri", %o);

            is("$r->{status} '$r->{body}'", "$status ''",
               "HTTP/$http$from: $what passes with no bytes left");
        }

        my $r = $t->as($http, $user, "$from/report",
                       headers => { 'If-None-Match' => '"other"' });
        is($r->{status}, 429,
           "HTTP/$http$from: a changed document has a body: refused");
    }

    is($t->taken($redis, "{$user}:counted", 100_000, 10), '100000 10',
       "HTTP/$http: what passed is counted, what was refused is not");
}

$t->done;
