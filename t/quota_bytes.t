#!/usr/bin/perl

# A partner has 50m a day: what fits is delivered, what does not is refused
# whole until midnight, by every node that has the same Redis.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::Gate;
use Test::More;

my $mib = 1024 * 1024;
my $day = 86400;
my $japan = 9 * 3600;

my $t = Test::Gate->new;

$t->certificate($_, email => "$_\@example.jp")
    for qw(static1 static2 proxied1 proxied2 other);
$t->countries('203.0.113.0/24' => 'JP');

my %document = map { $_ => sha256_hex($t->document($_, $_ * $mib)) } 20, 5;

$t->document('small', 1024);

my $redis = $t->redis;
my $backend = <<'END';
    server {
        listen  unix:%%DIR%%/backend.sock;
        root    %%DIR%%/docs;
    }
END

sub conf {
    my ($log, $more) = @_;

    return $t->conf(http => <<'END' . $more, server => <<'END2')
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy partner {
        user   $gate_cert_email;
        quota  bytes=50m per=day offset=9h;
        quota  requests=1000 per=1h;
    }
END
        gate  partner;

        location / { }
        location /proxied/ { proxy_pass http://unix:%%DIR%%/backend.sock:/; }
END2
        =~ s/access\.log/$log/r;
}

$t->nginx(conf('access.log', $backend));

my $second = $t->port;
$t->nginx(conf('second.log', ''), port => $second);

# the day must not end in the middle of the story

$t->wait_for(sub { (time + $japan) % $day < $day - 120 }, 180);

my $lines = 0;

for ([ 'static1', '1.1', '' ], [ 'proxied1', '1.1', '/proxied' ],
     [ 'static2', '2', '' ], [ 'proxied2', '2', '/proxied' ])
{
    my ($user, $http, $at) = @$_;
    my $what = 'HTTP/' . $http . ($at ? ' proxied' : '');
    my $client = $t->client(cert => $user);

    my $get = sub {
        my ($uri) = @_;

        $lines++;
        return $http eq '1.1' ? $client->request("$at/$uri")
                              : $t->curl("$at/$uri", cert => $user,
                                         http => $http);
    };

    for my $n (1, 2) {
        my $r = $get->(20);
        is($r->{status}, 200, "$what: 20 MiB for the ${n}th time pass");
        is(sha256_hex($r->{body}), $document{20}, "$what: and are right");
    }

    my $before = time;
    my $r = $get->(20);
    my $after = time;

    is($r->{status}, 429, "$what: 20 MiB do not fit into 10");
    refused($r, $before, $after, "$what: 20 MiB");

    # over HTTP/1.1 this is the same connection

    $r = $get->(5);
    is($r->{status}, 200, "$what: 5 MiB still pass then");
    is(sha256_hex($r->{body}), $document{5}, "$what: and are right");
    is($get->(5)->{status}, 200, "$what: and the last 5 MiB");

    $before = time;
    $r = $get->('small');
    $after = time;

    is($r->{status}, 429, "$what: nothing is left");
    refused($r, $before, $after, "$what: a small document");

    $before = time;
    $r = $t->get('/small', cert => $user, port => $second);
    $after = time;

    is($r->{status}, 429, "$what: a second nginx refuses too");
    refused($r, $before, $after, "$what: by a second nginx");

    is($t->settled($redis, "{$user\@example.jp}:partner", 'bytes-day',
                   50 * $mib),
       50 * $mib, "$what: Redis holds the bytes that were delivered");
    is($t->settled($redis, "{$user\@example.jp}:partner", 'requests-1h', 4),
       4, "$what: and the requests that passed");
}

is($t->get('/small', cert => 'other')->{status}, 200,
   'another user is not affected');
is($t->get('/small', cert => 'other', port => $second)->{status}, 200,
   'another user is not affected at the second nginx');

$t->done;

# An error page, nothing of the document, the time until midnight in Japan,
# and a line in the log of the nginx that was asked first.

sub refused {
    my ($r, $before, $after, $what) = @_;

    like($r->{body}, qr{\A<!DOCTYPE html>[\t\n -~]*</html>\s*\z},
         "$what: nothing is delivered but the page of a refusal");

    my $wait = $r->{headers}{'retry-after'} // 0;
    my $least = midnight($after) - 1;
    my $most = midnight($before) + 1;

    ok($wait >= $least && $wait <= $most, "$what: Retry-After is midnight")
        or diag("$wait is not from $least to $most");

    return if $what =~ /second nginx/;

    like($t->logged($lines), qr/^429 "DENIED" "quota" "partner"/,
         "$what: the log says why");
}

sub midnight {
    my ($at) = @_;

    return $day - ($at + $japan) % $day;
}
