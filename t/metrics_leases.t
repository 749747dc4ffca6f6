#!/usr/bin/perl

# What is drawn from Redis and what is given back: once it is quiet, the
# difference is what clients got; over both workers, and HTTP/1.1 and 2.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', 1000);
$t->document('large', 300_000);
$t->document('huge', 11_000_000);

my $redis = $t->redis;

$t->nginx($t->conf(http => <<"END", server => <<'END2'));
    gate_redis { server unix:$redis->{socket}; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=10m per=day @{[ $t->noon ]};
        quota        requests=1000 per=day @{[ $t->noon ]};
        quota        documents=100 per=day @{[ $t->noon ]};
        lease        64k idle=1s;
    }
END
        gate  counted;
        location = /metrics { gate off; gate_metrics; }
END2

for my $http ('1.1', '2') {
    for my $user (qw(alice bob)) {
        is($t->as($http, $user, '/document')->{status}, 200,
           "HTTP/$http: $user") for 1 .. 3;
        is($t->as($http, $user, '/large')->{status}, 200,
           "HTTP/$http: $user takes more");
    }
}

my $bytes = 4 * (3 * 1000 + 300_000);

is($t->metric('sent_bytes_total{policy="counted"}', $bytes), $bytes,
   'bytes that left');
cmp_ok(metrics()->{drawn_bytes_total}, '>=', $bytes, 'all of them were drawn');

# idle credit goes back

my $is;

ok($t->wait_for(sub {
    $is = metrics();
    return $is->{drawn_bytes_total} - $is->{settled_bytes_total} == $bytes
           && $is->{drawn_requests_total} - $is->{settled_requests_total}
              == 16;
}, 30), 'and what did not leave was given back') or diag explain $is;
is($is->{drawn_documents_total} - $is->{settled_documents_total}, 4,
   'documents are drawn one by one');
is($t->as('1.1', 'carol', '/huge')->{status}, 429, 'one that is too large');
ok($t->wait_for(sub {
    $is = metrics();
    return $is->{drawn_documents_total} == 5
           && $is->{settled_documents_total} == 1;
}, 30), 'is given back') or diag explain $is;
is($t->granted($redis, "{$_}:counted", 'bytes-day'), $bytes / 2,
   "as Redis has it: $_") for qw(alice bob);

$t->done;

sub metrics {
    return { $t->get('/metrics')->{body}
             =~ /^nginx_gate_((?:drawn|settled)_\w+) (\d+)$/mg };
}
