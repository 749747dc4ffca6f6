#!/usr/bin/perl

# Another nginx binary takes over while downloads are under way: they end whole,
# the new one counts on where the old one was, and in the end Redis has what was
# delivered, to the byte.

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
        quota        bytes=1600k per=day %%NOON%%;
        quota        requests=1000 per=day %%NOON%%;
    }
END
    server => <<'END'),
        gate  counted;

        location /slow/ {
            alias             %%DIR%%/docs/;
            limit_rate_after  100k;
            limit_rate        100k;
        }

        location /chunked {
            proxy_pass        http://unix:%%DIR%%/chunked.sock;
            limit_rate_after  100k;
            limit_rate        100k;
        }
END
    daemon => 1);

my @clients = map { begun($_) } '/slow/document', '/chunked';
my $old = $nginx->upgrade;

push @clients, begun('/slow/document');

kill WINCH => $old;
kill QUIT => $old;

is(get()->{status}, 200, 'the new one serves');
is(get()->{status}, 429, 'and knows what the old one lets out');

for (@clients) {
    my $r = $_->response('GET');

    ok($r->{whole} && $r->{body} eq $document,
       'a download that is under way ends whole');
}

ok($t->wait_for(sub { !Test::Gate::Nginx::runs($old) }), 'the old one ends');

is($t->settled($redis, '{alice}:counted', 'bytes-day', 4 * $size), 4 * $size,
   'Redis has what was delivered, to the byte');
is($t->settled($redis, '{alice}:counted', 'requests-day', 4), 4,
   'and the requests');

$t->done;

sub begun {
    my ($uri) = @_;

    my $client = $t->client;

    $client->send($uri, headers => { 'X-User' => 'alice' }, close => 1);
    $client->more while length $client->{buffer} < 10_000;

    return $client;
}

sub get {
    return $t->as('1.1', 'alice', '/document', close => 1);
}
