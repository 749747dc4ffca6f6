#!/usr/bin/perl

# What happens to a response when its bytes are used up: it is refused, or may
# end and is owed, or goes on slowly.  How one of unknown length is cut is in
# quota_unknown_length.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $kib = 1024;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('document', 100 * $kib);

$t->backend('chunked', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                  sprintf("%x\r\n", length $document), $document,
                  "\r\n0\r\n\r\n";
});

my $redis = $t->redis;
my $noon = $t->noon;

$t->nginx($t->conf(http => <<"END" . policies(), server => <<'END' . places()));
    gate_redis { server unix:$redis->{socket}; timeout 5s; }

    log_format  rate  '\$limit_rate';
END
        access_log  %%DIR%%/rate.log rate;
END

# what a second and a third response get, that do not fit as a whole; what is
# counted; and at which rate each was sent

my %after = (
    refuse => { known   => [ [ 429, 429 ], 100, [ 0, 0, 0 ] ] },
    finish => { known   => [ [ 200, 429 ], 200, [ 0, 0, 0 ] ],
                unknown => [ [ 200, 429 ], 200, [ 0, 0, 0 ] ] },
    slow   => { known   => [ [ 200, 200 ], 300, [ 0, 1048576, 1048576 ] ],
                unknown => [ [ 200, 200 ], 300, [ 0, 1048576, 1048576 ] ] },
);

for my $http ('1.1', '2') {
    for my $overrun (sort keys %after) {
        for my $length (sort keys %{ $after{$overrun} }) {
            my ($is, $counted, $rates) = @{ $after{$overrun}{$length} };
            my $what = "$overrun, $length length, HTTP/$http";
            my $user = "$overrun-$length-$http";
            my $uri = "/$overrun/$length";
            my $lines = () = $t->read_file('rate.log') =~ /\n/g;
            my @got = map { ask($http, $user, $uri) } 1 .. 3;

            is("@got", "200 @$is", "$what: what the client gets");
            is($t->settled($redis, "{$user}:$overrun", 'bytes-day',
                           $counted * $kib),
               $counted * $kib, "$what: what is counted");

            my @rates;

            $t->wait_for(sub {
                @rates = split /\n/, $t->read_file('rate.log');
                return @rates >= $lines + 3;
            });
            is("@rates[$lines .. $lines + 2]", "@$rates", "$what: its rate");
        }
    }
}

$t->done;

sub ask {
    my ($http, $user, $uri) = @_;

    my $r = $t->as($http, $user, $uri);

    return $r->{status} != 200 ? $r->{status}
           : $r->{body} eq $document ? 200 : 'cut';
}

sub policies {
    return join '', map { <<"END" } qw(refuse finish slow);
    gate_policy $_ {
        certificate  off;
        user         \$http_x_user;
        quota        bytes=150k per=day $noon;
        overrun      @{[ $_ eq 'slow' ? 'slow=1m' : $_ ]};
    }

END
}

sub places {
    return join '', map { <<"END" } qw(refuse finish slow);
        location /$_/ {
            gate   $_;

            location /$_/known { alias %%DIR%%/docs/document; }
            location /$_/unknown {
                proxy_pass  http://unix:%%DIR%%/chunked.sock;
            }
        }
END
}
