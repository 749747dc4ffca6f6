#!/usr/bin/perl

# A subrequest under another policy (auth_request, mirror, SSI): what the main
# request sends must still be counted by the main request's policy.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;
$t->certificate('alice', email => 'alice@example.jp');
$t->countries('203.0.113.0/24' => 'JP');
my $document = $t->document('report', 150_000);
$t->document('tail', 10);
$t->write_file('docs/ssi/page', 'A<!--# include virtual="/auth/tail" -->'
               . 'B' x 100_000);
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
    gate_policy ask {
        certificate  off;
        user         $http_x_user;
    }
END
        gate  counted;
        location / { auth_request /auth/tail; }
        location /mirrored/ { alias %%DIR%%/docs/; mirror /auth/tail; }
        location /ssi/ { ssi on; ssi_types *; }
        location /auth/ { gate ask; alias %%DIR%%/docs/; }
END2

my $r = $t->as('1.1', "auth", '/report');
is(length $r->{body}, 150_000, 'came');
is($t->taken($redis, "{auth}:counted", 150_000, 1), '150000 1',
   'auth_request under another policy: the main request is counted');
$r = $t->as('1.1', "mirror", '/mirrored/report');
is(length $r->{body}, 150_000, 'came');
is($t->taken($redis, "{mirror}:counted", 150_000, 1), '150000 1',
   'mirror under another policy: the main request is counted');
$r = $t->as('1.1', "ssi", '/ssi/page');
is(length $r->{body}, 100_011, 'came');
is($t->taken($redis, "{ssi}:counted", 100_011, 1), '100011 1',
   'SSI of another policy: the whole page is counted');
$t->done;
