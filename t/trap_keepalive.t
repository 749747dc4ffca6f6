#!/usr/bin/perl

# Each request over a connection counts, however many there are: one after the
# other, several sent at once, a hundred streams.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');
$t->document("report$_", 1_000 * $_) for 0 .. 20;

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

    gate_policy little {
        certificate  off;
        user         $http_x_user;
        quota        bytes=100k per=day;
        quota        requests=100k per=day;
        lease        64k idle=1s;
    }

    gate_policy few {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=40 per=day;
        lease        64k idle=1s;
    }

    server {
        listen  unix:%%DIR%%/backend.sock;
        root    %%DIR%%/docs;
    }
END
        gate  counted;

        location / { }
        location /proxied/ { proxy_pass http://unix:%%DIR%%/backend.sock:/; }
        location /little/ {
            gate   little;
            alias  %%DIR%%/docs/;
        }
        location /few/ {
            gate   few;
            alias  %%DIR%%/docs/;
        }
END2

# sends all uris before it reads

sub pipelined {
    my ($user, @uris) = @_;

    my $client = $t->client;
    my %o = (headers => { 'X-User' => $user });

    $client->send($_, %o) for @uris;
    return map { $client->response('GET') } @uris;
}

sub sum {
    my $sum = 0;

    for (grep { $_->{status} == 200 } @_) {
        $sum += $_->{bytes} // length $_->{body};
    }

    return $sum;
}

my $client = $t->client;
my %one = (headers => { 'X-User' => 'one' });
my @r = map { $client->request("/report$_", %one) } 0 .. 20;

is(sum(@r), 210_000, 'keep-alive: all came');
is($t->taken($redis, '{one}:counted', 210_000, 21), '210000 21',
   'keep-alive: each costs what came');

for my $from ('', '/proxied') {
    my $user = "many$from" =~ s{/}{-}r;

    @r = pipelined($user, map { "$from/report$_" } 0 .. 20);
    is(sum(@r), 210_000, "pipelined $from: all came");
    is($t->taken($redis, "{$user}:counted", 210_000, 21), '210000 21',
       "pipelined $from: each costs what came");
}

# some are refused between others, the connection goes on

@r = pipelined('some', map { "/little/report$_" } (20) x 6, 2, 1);

is(join(' ', map { $_->{status} } @r), '200 200 200 200 200 429 200 429',
   'pipelined: refused is what does not fit')
    or diag(join ' ', map { length $_->{body} } @r);
is($t->taken($redis, '{some}:little', 102_000, 6), '102000 6',
   'pipelined: what was refused costs nothing');

# over HTTP/2

for my $from ('', '/proxied') {
    my $user = "streams$from" =~ s{/}{-}r;

    @r = $t->curls([ map { "$from/report" . $_ % 21 } 0 .. 99 ],
                   options => [ '-H', "X-User: $user" ]);
    is(sum(@r), 960_000, "100 streams $from: all came");
    is(scalar(grep { $_->{connects} } @r), 1, 'over one connection');
    is($t->taken($redis, "{$user}:counted", 960_000, 100), '960000 100',
       "100 streams $from: each costs what came");
}

@r = $t->curls([ ('/little/report5') x 100 ],
               options => [ '-H', 'X-User: streams' ]);

is(sum(@r), 100_000, '100 streams: no more than the limit, all that fits');
is(scalar(grep { $_->{status} >= 400 } @r), 80, 'the others are refused');
is($t->taken($redis, '{streams}:little', 100_000, 20), '100000 20',
   '100 streams: cost what came');

@r = $t->curls([ ('/few/report1') x 100 ],
               options => [ '-H', 'X-User: streams' ]);

is(scalar(grep { $_->{status} == 200 } @r), 40,
   '100 streams of who has 40 requests: 40 pass');
is($t->taken($redis, '{streams}:few', 40_000, 40), '40000 40',
   '100 streams of who has 40 requests: these count');

$t->done;
