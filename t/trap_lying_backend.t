#!/usr/bin/perl

# A backend whose Content-Length is not true: no more leaves than was reserved,
# and what did not leave is given back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');

my $body = 'x' x 100_000;

my %answers = (
    long => "Content-Length: 40000\r\n\r\n$body",
    short => "Content-Length: 300000\r\n\r\n$body",
    huge => "Content-Length: 9000000000\r\n\r\n$body",
    negative => "Content-Length: -5\r\n\r\n$body",
    nonsense => "Content-Length: 12x\r\n\r\n$body",
    overflow => "Content-Length: 99999999999999999999\r\n\r\n$body",
    twice => "Content-Length: 100000\r\nContent-Length: 10\r\n\r\n$body",
    same => "Content-Length: 100000\r\nContent-Length: 100000\r\n\r\n$body",
    both => "Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n"
            . "186a0\r\n$body\r\n0\r\n\r\n",
    chunks => "Transfer-Encoding: chunked\r\n\r\n186a0\r\n$body\r\n",
    chunked2 => "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"
                . "\r\n\r\n186a0\r\n$body\r\n0\r\n\r\n",
    nested => "Transfer-Encoding: gzip, chunked\r\n\r\n186a0\r\n$body\r\n"
              . "0\r\n\r\n",
    zero => "Content-Length: 0\r\n\r\n$body",
);

$t->backend('backend', sub {
    my ($socket, $head) = @_;

    my ($name) = $head =~ m{^GET /(\w+)};
    print $socket "HTTP/1.1 200 OK\r\n$answers{$name}";
});

my $redis = $t->redis;

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 2s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        64k idle=1s;
    }

    gate_policy small {
        certificate  off;
        user         $http_x_user;
        quota        bytes=50000 per=day;
        quota        requests=100k per=day;
        lease        64k idle=1s;
    }

    proxy_http_version  1.1;
END
        location /counted/ {
            gate  counted;

            location /counted/buffered/ {
                proxy_pass  http://unix:%%DIR%%/backend.sock:/;
            }
            location /counted/unbuffered/ {
                proxy_buffering  off;
                proxy_pass       http://unix:%%DIR%%/backend.sock:/;
            }
        }
        location /free/buffered/ {
            proxy_pass  http://unix:%%DIR%%/backend.sock:/;
        }
        location /free/unbuffered/ {
            proxy_buffering  off;
            proxy_pass       http://unix:%%DIR%%/backend.sock:/;
        }
        location /small/ {
            gate  small;

            location /small/buffered/ {
                proxy_pass  http://unix:%%DIR%%/backend.sock:/;
            }
            location /small/unbuffered/ {
                proxy_buffering  off;
                proxy_pass       http://unix:%%DIR%%/backend.sock:/;
            }
        }
END2

# bytes that may come at most; a length that is no number is unknown to nginx

my %most = (long => 40_000, zero => 0);

# what came, and what came behind its end

sub fetch {
    my ($http, $user, $uri) = @_;

    return $t->as($http, $user, $uri) if $http eq '2';

    my $client = $t->client;
    my $r = $client->request($uri, close => 1,
                             headers => { 'X-User' => $user });
    1 while $client->more;
    $r->{body} .= $client->{buffer};

    return $r;
}

my @came;

for my $http ('1.1', '2') {
    for my $from ('buffered', 'unbuffered') {
        for my $name (sort keys %answers) {
            my $free = fetch($http, 'nobody', "/free/$from/$name");

            for my $policy ('counted', 'small') {
                my $user = "$name-$http-$from";
                my $what = "HTTP/$http $from $name, $policy";
                my $r = fetch($http, $user, "/$policy/$from/$name");
                my $got = length $r->{body};
                my $most = $most{$name} // 100_000;

                $most = 50_000 if $most > 50_000 && $policy eq 'small';

                if ($r->{status} == 200) {
                    cmp_ok($got, '<=', $most,
                           "$what: no more than was reserved");

                } elsif ($r->{status} == 429) {
                    ok($name =~ /short|huge/ || $most == 50_000,
                       "$what: refused");

                } else {
                    is($r->{status}, 502, "$what: bad gateway");
                }

                # where there is room it is as without a gate

                is("$r->{status} $got",
                   "$free->{status} " . length $free->{body},
                   "$what: as nginx treats it")
                    if $policy eq 'counted' && $r->{status} != 429;

                my $refused = $r->{status} == 429;
                push @came, [ "{$user}:$policy", $refused ? 0 : $got,
                              $refused ? 0 : 1, $what ];
            }
        }
    }
}

for (@came) {
    my ($account, $bytes, $requests, $what) = @$_;
    is($t->taken($redis, $account, $bytes, $requests), "$bytes $requests",
       "$what: costs what came");
}

$t->done;
