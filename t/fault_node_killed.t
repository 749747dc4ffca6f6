#!/usr/bin/perl

# One of two nodes loses its power, with downloads in flight and idle credit:
# the other goes on, and what the dead one had been granted stays taken.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $size = 500_000;
my $limit = 12 * $size;
my $lease = 200_000;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('document', $size);
my $redis = $t->redis;
my ($one, $two) = ($t->port, $t->port);
my $conf = $t->conf(http => <<"END" =~ s/%%NOON%%/$t->noon/er,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=$limit per=day %%NOON%%;
        lease        $lease;
    }
END
    server => <<'END');
        gate  counted;

        location /slow/ {
            alias             %%DIR%%/docs/;
            limit_rate_after  100k;
            limit_rate        50k;
        }
END

my $dies = $t->nginx($conf, port => $one);
my $lives = $t->nginx($conf =~ s/access\.log/second.log/r, port => $two);

is(status($one), 200, 'a document by the one');
is(status($two), 200, 'a document by the other');

my @cut = map { $t->client(port => $one) } 1, 2;

for (@cut) {
    $_->send('/slow/document', headers => { 'X-User' => 'alice' });
    $_->more while length $_->{buffer} < 10_000;
}

my $goes_on = $t->client(port => $two);

$goes_on->send('/slow/document', headers => { 'X-User' => 'alice' });
$goes_on->more while length $goes_on->{buffer} < 10_000;

$dies->kill_all;

my $got = 2 * $size;
my $lost = 0;

for (@cut) {
    my $r = $_->response('GET');

    ok(!$r->{whole}, 'a download of the dead one is cut');
    $got += length $r->{body};
    $lost += $size - length $r->{body};
}

# the other goes on to the limit

my $n = 0;

$n++ while status($two) == 200 && $n < 20;

is(status($two), 429, 'the other goes on until the limit');
$got += $n * $size;

my $r = $goes_on->response('GET');

ok($r->{whole} && $r->{body} eq $document, 'its download is whole');
$got += $size;

cmp_ok($got, '<=', $limit, 'no more than the limit was delivered');
cmp_ok($got, '>=', $limit - $lost - $lease - $size,
       'and all but what the dead one had held');

# it comes back as another node

$dies->start($conf);

is(status($one), 429, 'come back, it refuses, too');

$t->wait_for(sub { granted() <= $got + $lost + $lease }, 8);

cmp_ok(granted(), '>=', $got, 'Redis has no less than was delivered');
cmp_ok(granted(), '<=', $got + $lost + $lease,
       'and no more than what the dead one had held on top');

$t->done;

sub status {
    my ($port) = @_;

    return $t->as('1.1', 'alice', '/document', port => $port, close => 1)
             ->{status};
}

sub granted { return $t->granted($redis, '{alice}:counted', 'bytes-day') }
