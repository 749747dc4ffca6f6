#!/usr/bin/perl

# 50 downloads at once of one user, over two workers of two nodes, want more
# than the limit: no byte more than that is delivered, and nothing in pieces.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $size = 1_000_000;
my $limit = 30 * 1024 * 1024;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('document', $size);
my $redis = $t->redis;

# With a small lease hardly any credit lies idle on one node while the other
# one has to refuse for it.

my $conf = $t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/er,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 10s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=30m per=day %%NOON%%;
        lease        64k;
    }
END
    server => '        gate  counted;');

$t->nginx($conf);

my $second = $t->port;
$t->nginx($conf =~ s/access\.log/second.log/r, port => $second);

for my $http ('1.1', '2') {
    my $user = "alice$http";

    my @came = $t->parallel(50, sub {
        my ($n) = @_;

        my $r = $t->as($http, $user, '/document',
                       port => $n % 2 ? $second : $t->{port});

        return "$r->{status} " . ($r->{body} eq $document ? 'whole'
                                  : $r->{body} =~ /\A<!DOCTYPE html>/
                                  ? 'nothing'
                                  : 'a piece');
    });

    my $passed = grep { $_ eq '200 whole' } @came;
    my $refused = grep { $_ eq '429 nothing' } @came;

    is($passed + $refused, 50, "HTTP/$http: whole documents or refusals")
        or diag(join "\n", @came);
    cmp_ok($passed * $size, '<=', $limit,
           "HTTP/$http: no more than the limit");
    cmp_ok($passed * $size, '>=', $limit - $size - 200_000,
           "HTTP/$http: what fits was delivered");
    is($t->settled($redis, "{$user}:counted", 'bytes-day', $passed * $size),
       $passed * $size, "HTTP/$http: Redis holds what was delivered");

    # when it is quiet, what is left goes to who asks

    my $left = int(($limit - $passed * $size) / $size);
    my $more = grep {
        $t->as($http, $user, '/document', port => $second)->{status} == 200
    } 0 .. $left;

    is($more, $left, "HTTP/$http: the rest passes, and no more");
}

$t->done;
