#!/usr/bin/perl

# A graceful quit while downloads are under way: they end whole, and then Redis
# has what was delivered, to the byte; credit is not left behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $size = 400_000;

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('document', $size);
my $redis = $t->redis;

$t->backend('chunked', sub {
    my ($socket) = @_;

    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                  sprintf("%x\r\n", $size), $document, "\r\n0\r\n\r\n";
});

my $nginx = $t->nginx($t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/ger,
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=1g per=day %%NOON%%;
        quota        requests=1000 per=day %%NOON%%;
        quota        documents=100 per=day %%NOON%%;
        lease        64m idle=1h;
    }
END
    server => <<'END'));
        gate  counted;

        limit_rate_after  100k;
        limit_rate        200k;

        location /chunked { proxy_pass http://unix:%%DIR%%/chunked.sock; }
END

# idle credit, which nobody would give back for an hour

is($t->as('1.1', 'bob', '/document', close => 1)->{status}, 200,
   'a download that is over');
cmp_ok($t->granted($redis, '{bob}:counted', 'bytes-day'), '>', 2 * $size,
       'leaves credit');

my @clients = map {
    my $client = $t->client;

    $client->send($_, headers => { 'X-User' => 'alice' }, close => 1);
    $client->more while length $client->{buffer} < 10_000;
    $client;
} '/document', '/document', '/chunked';

kill QUIT => $nginx->{pid};

for (@clients) {
    my $r = $_->response('GET');

    ok($r->{whole} && $r->{body} eq $document,
       'a download that is under way ends whole');
}

$nginx->stop;

is($t->granted($redis, '{alice}:counted', 'bytes-day'), 3 * $size,
   'Redis has what was delivered, to the byte');
is($t->granted($redis, '{alice}:counted', 'requests-day'), 3,
   'and the requests');
is($redis->command('ZCARD', 'gate:{alice}:counted:documents-day'), 2,
   'and the documents');
is($t->granted($redis, '{bob}:counted', 'bytes-day'), $size,
   'and no credit of who was idle');

$t->done;
