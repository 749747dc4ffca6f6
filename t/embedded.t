#!/usr/bin/perl

# Without gate_redis the zone holds the quotas of one host: over all workers,
# through a reload, until a window opens again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;
use Time::HiRes qw(time);

my $limit = 10 * 1024 * 1024;
my $size = 400_000;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');
$t->document('document', $size);
$t->document('small', 1000);

my $conf = $t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/ger,
    gate_policy bytes {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day %%NOON%%;
    }

    gate_policy requests {
        certificate  off;
        user         $http_x_user;
        quota        requests=20 per=day %%NOON%%;
    }

    gate_policy slots {
        certificate  off;
        user         $http_x_user;
        quota        requests=5 per=24s;
    }

    gate_policy rolling {
        certificate  off;
        user         $http_x_user;
        quota        requests=5 per=10s;
        quota        bytes=1g per=1h;
    }
END
    server => <<'END');
        location /bytes/    { gate bytes; alias %%DIR%%/docs/; }
        location /requests/ { gate requests; alias %%DIR%%/docs/; }
        location /slots/    { gate slots; alias %%DIR%%/docs/; }
        location /rolling/  { gate rolling; alias %%DIR%%/docs/; }
END

my $nginx = $t->nginx($conf);

# a rolling window; it opens while the rest is tested

my $began = time;

is(status('alice', '/rolling/small'), 200, "rolling: request $_ of 5 passes")
    for 1 .. 5;

my $r = $t->as('1.1', 'alice', '/rolling/small');
my $opens = time + ($r->{headers}{'retry-after'} // 0);

is($r->{status}, 429, 'rolling: the next is refused');
like($r->{headers}{'retry-after'} // '', qr/^([1-9]|1[01])$/,
     'rolling: Retry-After is in the window and a slot');

# bytes, from many at once

my @came = $t->parallel(12, sub {
    return scalar grep { status('bob', '/bytes/document') == 200 } 1 .. 4;
});

my $passed = 0;
$passed += $_ for @came;

cmp_ok($passed * $size, '<=', $limit, 'bytes: no more than the limit');
cmp_ok($passed * $size, '>', $limit - $size - 100, 'bytes: what fits passes');

$r = $t->as('1.1', 'bob', '/bytes/document');

is($r->{status}, 429, 'bytes: a document does not fit');
like($r->{headers}{'retry-after'} // '', qr/^[1-9]\d*$/,
     'bytes: Retry-After is there');
cmp_ok($r->{headers}{'retry-after'}, '<=', 86400, 'bytes: within the day');
is(status('bob', '/bytes/small'), 200, 'bytes: but a small one does');
is(status('carol', '/bytes/document'), 200, 'bytes: another user passes');

# requests, from many at once

@came = $t->parallel(8, sub {
    return scalar grep { status('dave', '/requests/small') == 200 } 1 .. 5;
});

$passed = 0;
$passed += $_ for @came;

is($passed, 20, 'requests: the limit passes, exactly');
is(status('dave', '/requests/small'), 429, 'requests: and no more');
is(status('dave', '/bytes/small'), 200,
   'requests: another policy has its own count');

# a download in the middle of a reload, and the counts after that

is(status('erin', '/requests/small'), 200, "request $_ before a reload passes")
    for 1 .. 3;

$nginx->reload($conf);

is(status('bob', '/bytes/document'), 429, 'a reload keeps bytes');
is(status('dave', '/requests/small'), 429, 'a reload keeps requests');
is(scalar(grep { status('erin', '/requests/small') == 200 } 1 .. 20), 17,
   'a reload keeps what is left');

# the rolling window

$t->wait_for(sub { time >= $opens });

is(status('alice', '/rolling/small'), 200, 'rolling: passes by Retry-After');
cmp_ok(time - $began, '>=', 9.9, 'rolling: no six in any ten seconds');

slots();
$t->done;

# Twelve slots of two seconds: each of these is in another one.

sub slots {
    my $first;

    for (1 .. 5) {
        my $at = time;

        $first //= $at;
        is(status('frank', '/slots/small'), 200, "slots: request $_ of 5");
        $t->wait_for(sub { time > $at + 2.1 }) if $_ < 5;
    }

    my $status = status('frank', '/slots/small');

    ok($status == 429 || time > $first + 24,
       'slots: no six in any 24 seconds, over several slots')
        or diag("got $status");
}

sub status {
    my ($user, $uri) = @_;

    return $t->as('1.1', $user, $uri)->{status};
}
