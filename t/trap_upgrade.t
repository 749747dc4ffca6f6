#!/usr/bin/perl

# An upgraded connection bypasses the meter: refused where bytes are limited,
# unless the policy allows it, and then counted at its end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');

# sends 50000 bytes, then what it gets, until "bye"

$t->backend('socket', sub {
    my ($socket, $head, $data) = @_;

    if ($head !~ /^Upgrade: websocket/mi) {
        print $socket "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell";
        return;
    }

    print $socket "HTTP/1.1 101 Switching Protocols\r\n",
                  "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
                  'x' x 50_000;

    while (sysread $socket, $data, 65536) {
        last if $data =~ /bye/;
        print $socket $data;
    }
});

my $redis = $t->redis;

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 2s; }

    gate_policy refusing {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }

    gate_policy allowing {
        certificate  off;
        user         $http_x_user;
        quota        bytes=60000 per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
        upgrade      allow;
    }

    gate_policy counting {
        certificate  off;
        user         $http_x_user;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }

    proxy_http_version  1.1;
    proxy_set_header    Upgrade $http_upgrade;
    proxy_set_header    Connection Upgrade;
END
        location /refusing/ {
            gate        refusing;
            proxy_pass  http://unix:%%DIR%%/socket.sock:/;
        }
        location /allowing/ {
            gate        allowing;
            proxy_pass  http://unix:%%DIR%%/socket.sock:/;
        }
        location /counting/ {
            gate        counting;
            proxy_pass  http://unix:%%DIR%%/socket.sock:/;
        }
END2

# an upgraded connection: its answer, and the bytes it brought

sub talk {
    my ($user, $uri) = @_;

    my $client = $t->client;
    my $r = $client->request($uri, headers => {
        'X-User' => $user, Upgrade => 'websocket', Connection => 'Upgrade',
    });

    return ($r, 0) if $r->{status} != 101;

    my $socket = $client->{socket};

    $client->more while length $client->{buffer} < 50_000;
    print $socket 'y' x 3_000;
    $client->more while length $client->{buffer} < 53_000;
    print $socket 'bye';
    1 while $client->more;

    return ($r, length $client->{buffer});
}

my ($r, $got) = talk('user', '/refusing/');

is($r->{status}, 429, 'an upgrade under a byte quota is refused');
is($r->{headers}{'retry-after'}, undef, 'and there is no use in retrying');
is($t->taken($redis, '{user}:refusing', 0, 0), '0 0', 'it costs nothing');

is($t->as('1.1', 'user', '/refusing/')->{body}, 'well',
   'what is not upgraded passes there');
is($t->taken($redis, '{user}:refusing', 4, 1), '4 1', 'and costs what came');

($r, $got) = talk('user', '/allowing/');

is($r->{status}, 101, '"upgrade allow" lets it pass');
is($got, 53_000, 'its bytes came');
is($t->taken($redis, '{user}:allowing', 53_000, 1), '53000 1',
   'they are counted at its end');

talk('user', '/allowing/');
is($t->taken($redis, '{user}:allowing', 106_000, 2), '106000 2',
   'what exceeds the limit is counted too');

($r, $got) = talk('user', '/allowing/');
is($r->{status}, 429, 'with no bytes left the next is refused');
like($r->{headers}{'retry-after'} // '', qr/^\d+$/, 'until the window ends');

($r, $got) = talk('user', '/counting/');
is($got, 53_000, 'where no bytes are limited an upgrade passes');
is($t->taken($redis, '{user}:counting', 0, 1), '0 1', 'and is one request');

$t->done;
