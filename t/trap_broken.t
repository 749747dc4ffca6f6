#!/usr/bin/perl

# A connection that breaks while nginx writes to it: what had been written by
# then is paid for, and not what had not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $size = 3_000_000;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', $size);

my $redis = $t->redis;
my $dir = $t->dir;

system('cc', '-shared', '-fPIC', '-o', "$dir/broken.so",
       "$FindBin::Bin/lib/Test/Gate/broken.c") == 0
    or die 'broken.c does not compile';

$t->nginx($t->conf(workers => 1, http => <<"END", server => <<'END2'),
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=10m per=day @{[ $t->noon ]};
    }

    server {
        listen  unix:%%DIR%%/backend.sock;
        root    %%DIR%%/docs;
    }
END
        gate  counted;

        location /file/    { alias %%DIR%%/docs/; }
        location /proxied/ { proxy_pass http://unix:%%DIR%%/backend.sock:/; }
END2
          under => ['env', "LD_PRELOAD=$dir/broken.so"]);

for my $http ('1.1', '2') {
    for my $from ('file', 'proxied') {
        my $user = "$from-" . $http =~ tr/.//dr;

        my ($r) = $t->curls(["/$from/report"], http => $http,
                            options => ['-H', "X-User: $user"]);
        my $paid = $t->settled($redis, "{$user}:counted", 'bytes-day',
                               $r->{bytes});

        cmp_ok($r->{bytes}, '>', 0, "HTTP/$http: $from: some came");
        cmp_ok($r->{bytes}, '<', 100_000, "HTTP/$http: $from: not all");
        cmp_ok($paid, '>=', $r->{bytes}, "HTTP/$http: $from: that is paid");
        cmp_ok($paid, '<', $r->{bytes} + 16_384,
               "HTTP/$http: $from: and what TLS had taken at most");
    }
}

$t->done;
