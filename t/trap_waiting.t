#!/usr/bin/perl

# A response that waits for the ledger comes whole afterwards, or is refused on
# a connection that goes on; a client that leaves meanwhile leaves nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('localhost', server => 1);
$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('report', 300_000);
my $memo = $t->document('memo', 20_000);
$t->document('note', 100);

$t->backend('chunks', sub {
    my ($socket, $head) = @_;

    $head =~ m{^GET /(\w*)};
    $t->write_file("seen.$1", 'yes') if $1;
    print $socket "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    for (my $at = 0; $at < 300_000; $at += 7777) {
        my $part = substr $document, $at, 7777;
        print $socket sprintf("%x\r\n%s\r\n", length $part, $part);
    }

    print $socket "0\r\n\r\n";
});

$t->backend('known', sub {
    my ($socket, $head) = @_;

    # nginx does not read it all while its header waits

    $head =~ m{^GET /(\w*)};
    print $socket "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n",
                  substr $document, 0, 1000;
    $t->write_file("seen.$1", 'yes') if $1;
    print $socket substr $document, 1000;
});

my $redis = $t->redis;

my $conf = $t->conf(http => <<'END', server => <<'END2');
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 30s; }

    gate_policy large {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        64k idle=1m;
    }

    gate_policy tight {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        1k idle=1m;
    }

    gate_policy less {
        certificate  off;
        user         $http_x_user;
        quota        bytes=200000 per=day;
        quota        requests=100k per=day;
        lease        64k idle=1m;
    }

    proxy_http_version  1.1;

    server {
        listen  unix:%%DIR%%/backend.sock;
        root    %%DIR%%/docs;

        location /accel/ {
            add_header  X-Accel-Redirect /large/report;
            return      204;
        }
    }
END
        location = /asks {
            stub_status;
        }
        location /large/ {
            gate   large;
            alias  %%DIR%%/docs/;
        }
        location /large/proxied/ {
            gate        large;
            proxy_pass  http://unix:%%DIR%%/backend.sock:/;
        }
        location /large/unbuffered/ {
            gate             large;
            proxy_buffering  off;
            proxy_pass       http://unix:%%DIR%%/backend.sock:/;
        }
        location /large/accel/ {
            gate        large;
            proxy_pass  http://unix:%%DIR%%/backend.sock:/accel/;
        }
        location /large/chunks/ {
            gate        large;
            proxy_pass  http://unix:%%DIR%%/chunks.sock:/;
        }
        location /large/chunks-unbuffered/ {
            gate             large;
            proxy_buffering  off;
            proxy_pass       http://unix:%%DIR%%/chunks.sock:/;
        }
        location /large/known/ {
            gate        large;
            proxy_pass  http://unix:%%DIR%%/known.sock:/;
        }
        location /tight/ {
            gate   tight;
            alias  %%DIR%%/docs/;
        }
        location /tight/proxied/ {
            gate        tight;
            proxy_pass  http://unix:%%DIR%%/backend.sock:/;
        }
        location /less/ {
            gate   less;
            alias  %%DIR%%/docs/;
        }
        location /less/proxied/ {
            gate        less;
            proxy_pass  http://unix:%%DIR%%/backend.sock:/;
        }
        location /less/unbuffered/ {
            gate             less;
            proxy_buffering  off;
            proxy_pass       http://unix:%%DIR%%/backend.sock:/;
        }
        location /less/known/ {
            gate        less;
            proxy_pass  http://unix:%%DIR%%/known.sock:/;
        }
END2
my $nginx = $t->nginx($conf);

my (@came, $n);
my @range = (headers => { Range => 'bytes=50000-249999' });
my @ranges = (headers => { Range => 'bytes=0-149999,150001-299999' });

# each has credit for a note and a lease when Redis stops to answer

for my $http ('1.1', '2') {
    for (
        [ 'a file', '/large/report' ],
        [ 'a range', '/large/report', 200_000, @range ],
        [ 'ranges', '/large/report', undef, @ranges ],
        [ 'a backend', '/large/proxied/report' ],
        [ 'a range of a backend', '/large/proxied/report', 200_000, @range ],
        [ 'a backend, unbuffered', '/large/unbuffered/report' ],
        [ 'X-Accel-Redirect', '/large/accel/report' ],
        [ 'chunks', '/large/chunks/' ],
        [ 'chunks, unbuffered', '/large/chunks-unbuffered/' ],
    ) {
        my ($what, $uri, $size, %o) = @$_;
        my $user = 'user' . ++$n;

        $t->as($http, $user, '/large/note');
        my $asked = $redis->calls('evalsha', 'eval');
        $redis->command('CLIENT', 'PAUSE', 150);

        my $r = $t->as($http, $user, $uri, %o);
        my $got = length $r->{body};

        if ($what eq 'ranges') {
            cmp_ok($got, '>', 299_999, "HTTP/$http: $what wait and come");

        } else {
            my $whole = $size ? substr $document, 50_000, 200_000 : $document;
            ok($r->{body} eq $whole, "HTTP/$http: $what waits and comes");
        }

        cmp_ok($redis->calls('evalsha', 'eval'), '>', $asked,
               "HTTP/$http: $what: Redis was asked");
        push @came, [ "{$user}:large", 100 + $got, 2, "HTTP/$http: $what" ];
    }
}

# what its handler has passed on as a whole when it waits

for my $http ('1.1', '2') {
    for my $from ('', '/proxied') {
        my $user = 'tight' . ++$n;

        $t->as($http, $user, '/tight/note');
        $redis->command('CLIENT', 'PAUSE', 150);

        ok($t->as($http, $user, "/tight$from/memo")->{body} eq $memo,
           "HTTP/$http: something small$from waits and comes");
        push @came, [ "{$user}:tight", 20_100, 2,
                      "HTTP/$http: something small$from" ];
    }
}

# refused in its place

for my $from ('', '/proxied', '/unbuffered') {
    my $user = 'less' . $from =~ s{/}{-}r;
    my %o = (headers => { 'X-User' => $user });
    my $client = $t->client;

    is($client->request('/less/note', %o)->{status}, 200,
       "refused $from: first something small");
    $redis->command('CLIENT', 'PAUSE', 150);

    my $r = $client->request("/less$from/report", %o);
    is($r->{status}, 429, "refused $from: what does not fit, after waiting");
    is(length $r->{body}, $r->{headers}{'content-length'},
       "refused $from: with a page of its own");

    is($client->request('/less/note', %o)->{status}, 200,
       "refused $from: the connection goes on");
    push @came, [ "{$user}:less", 200, 2, "refused $from" ];

    $user .= '-2';
    $t->as('2', $user, '/less/note');
    $redis->command('CLIENT', 'PAUSE', 150);

    my @r = $t->curls([ "/less$from/report", '/less/note' ],
                      options => [ '-H', "X-User: $user" ]);

    is(join(' ', map { $_->{status} } @r), '429 200',
       "refused $from: HTTP/2 too, its neighbour comes");
    push @came, [ "{$user}:less", 200, 2, "HTTP/2: refused $from" ];
}

# clients that leave

my @left = (
    [ 'before it was judged', '/large/never/', 0 ],
    [ 'while its header waits', '/large/known/', 1 ],
    [ 'while its body waits', '/large/chunks/', 1 ],
);

for (@left) {
    my ($what, $uri, $judged) = @$_;
    my $user = 'left' . ++$n;
    my %o = (headers => { 'X-User' => $user });
    my $client = $t->client;

    $client->request('/large/note', %o) if $judged;

    $redis->halt;
    $client->send("$uri$user", %o);
    $t->wait_for(sub { $judged ? $t->read_file("seen.$user") : asks() });
    $client->close;

    ended("$uri$user") unless $judged;
    $redis->go_on;
    ok(ended("$uri$user"), "left $what: the request ended");

    is($t->as('1.1', $user, '/large/note')->{status}, 200,
       "left $what: the next request passes");
    is($t->as('2', $user, '/large/note')->{status}, 200,
       "left $what: and one over HTTP/2");

    push @came, [ "{$user}:large", 200, 2, "left $what" ] unless $judged;
}

# nginx ends, which settles

$nginx->stop;

for (@came) {
    my ($account, $bytes, $requests, $what) = @$_;
    is($t->taken($redis, $account, $bytes, $requests), "$bytes $requests",
       "$what: costs what came");
}

# Redis dies

$nginx->start($conf);

for my $http ('1.1', '2') {
    my $user = "dead$http";

    $t->as($http, $user, '/large/note');
    $redis->halt;

    my ($r) = $t->parallel(2, sub {
        return $t->as($http, $user, "/large/known/$user")->{status}
            if $_[0] == 0;

        $t->wait_for(sub { $t->read_file("seen.$user") });
        CORE::kill(KILL => $redis->{pid});
        return '';
    });

    is($r, 503, "HTTP/$http: Redis dies: unavailable");

    $redis->kill;
    $redis->start;

    $t->wait_for(sub {
        $t->as($http, $user, '/large/report')->{status} == 200
    });
    pass("HTTP/$http: and when it is back the next passes");
}

$t->done;

# True once the log tells of it: others' last lines may still be to come.

# nginx has read a request, besides this one, and has not answered it

sub asks { return $t->get('/asks')->{body} =~ /Writing: ([2-9])/ }

sub ended {
    my ($uri) = @_;

    return $t->wait_for(sub { $t->read_file('access.log') =~ / \Q$uri\E$/m });
}
