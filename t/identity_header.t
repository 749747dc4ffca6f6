#!/usr/bin/perl

# What the backend is told of who asks, it is told by the gate alone: a client
# that sends those headers itself, in whatever spelling, changes nothing.  The
# backend answers with what it has received.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('alice', email => 'alice@example.jp');
$t->countries('203.0.113.0/24' => 'JP');
$t->write_file('docs/ssi/page', '<!--# include virtual="/own/inner" -->');

$t->backend(dump => sub {
    my ($socket, $head) = @_;

    my $to = $head =~ m{^GET /(?:[^/]*/)?sends} ? '/internal/x' : undef;

    print $socket "HTTP/1.1 200 OK\r\nContent-Length: " . length($head) . "\r\n"
                  . ($to ? "X-Accel-Redirect: $to\r\n" : '')
                  . "Connection: close\r\n\r\n$head";
});

# one that reads a chunked body to its end, trailers and all

$t->backend(chunks => sub {
    my ($socket) = @_;

    my $data = '';

    while ($data !~ /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n\z/
           && $data !~ /\r\nContent-Length: 4\r\n.*\r\n\r\n.{4}/s)
    {
        sysread $socket, $data, 65536, length $data or last;
    }

    print $socket "HTTP/1.1 200 OK\r\nContent-Length: " . length($data)
                  . "\r\nConnection: close\r\n\r\n$data";
}, raw => 1);

$t->backend(fastcgi => \&fastcgi, raw => 1);

my $proxy = 'proxy_pass http://unix:%%DIR%%/dump.sock;';

$t->nginx($t->conf(http => <<'END', server => <<"END2"));
    map $http_x_auth_user $mapped { default "$http_x_auth_user"; }

    gate_policy staff {
        certificate      optional;
        user             $gate_cert_email nobody;
        identity_header  X-Auth-User $gate_user;
        identity_header  X-Auth-Country $gate_country;
        identity_header  X-Auth-Project $arg_project;
    }
    gate_policy closed {
        user             $gate_cert_email;
        deny_country     any;
        identity_header  X-Auth-User "$gate_user";
    }
    gate_policy other {
        certificate      off;
        identity_header  X-Auth-User "other $gate_policy";
    }
    gate_policy raw {
        certificate      off;
        identity_header  X-Auth-User $uri;
    }
END
        gate  staff;

        # the worst that can be set

        underscores_in_headers  on;
        ignore_invalid_headers  off;

        location /plain/ { $proxy }
        location /own/ {
            proxy_set_header  X-Other 1;
            $proxy
        }
        location /hops/ {
            proxy_set_header  Connection \$http_connection;
            $proxy
        }
        location /before/ {
            set               \$before "\$http_x_auth_user\$http_connection";
            proxy_set_header  Copy \$http_x_auth_user;
            $proxy
        }
        location /set/ {
            proxy_set_header  X-Auth-User admin;
            $proxy
        }
        location /internal/ {
            internal;
            $proxy
        }
        location /other/ {
            gate  other;
            $proxy
        }
        location /open/ {
            gate  off;
            $proxy
        }
        location /raw/ {
            gate  raw;
            $proxy
        }
        location /refused/ {
            gate        closed;
            error_page  403 = \@page;
            $proxy
        }
        location \@page {
            gate  closed;
            $proxy
        }
        location /dry/ {
            gate          closed;
            gate_dry_run  on;
            $proxy
        }
        location /ssi/ { ssi on; ssi_types *; }
        location /chunks/ {
            proxy_http_version       1.1;
            proxy_request_buffering  off;
            proxy_pass               http://unix:%%DIR%%/chunks.sock;
        }
        location /fastcgi/ {
            fastcgi_pass   unix:%%DIR%%/fastcgi.sock;
        }
END2

my @tries = (
    [ 'X-Auth-User: admin' ],
    [ 'x-auth-user: admin' ],
    [ 'X-AUTH-USER:admin' ],
    [ 'X-Auth-User: admin', 'X-Auth-User: root' ],
    [ ('X-Auth-User: admin') x 40 ],
    [ 'X_Auth_User: admin' ],
    [ 'x_auth-user: admin' ],
    [ 'X.Auth.User: admin' ],
    [ 'X-Auth-User-: admin' ],
    [ '_X-Auth-User: admin' ],
    [ 'X--Auth-User: admin' ],
    [ "X-Auth-User\x80: admin" ],
    [ 'X!Auth~User: admin' ],
    [ 'X-Auth-User:' ],
    [ 'X-Auth-Country: US', 'X-Auth-User: admin', 'X_AUTH_PROJECT: all' ],
    [ 'A: 1', 'X-Auth-User: admin', 'B: 2', 'X_Auth_User: admin', 'C: 3',
      (map { "X-$_: 1" } 1 .. 30), 'x.auth.user: admin', 'D: 4' ],
);

my @told = ('X-Auth-Country: JP', 'X-Auth-User: alice@example.jp');

for my $try (@tries) {
    my $what = @$try > 4 ? @$try . ' headers' : join ', ', @$try;
    $what =~ s/([^ -~])/sprintf '\x%02x', ord $1/ge;

    for my $path (qw(/plain/ /own/)) {
        my $r = sent($path, @$try);

        is_deeply([ identity($r->{body}) ], \@told, "$path $what")
            or diag($r->{body});
    }

    is_deeply([ identity(sent('/fastcgi/', @$try)->{body}) ],
              [ 'HTTP_X_AUTH_COUNTRY=JP',
                'HTTP_X_AUTH_USER=alice@example.jp' ], "/fastcgi/ $what");

    next if "@$try" =~ /[\r\x80]/;

    for my $path (qw(/plain/ /own/)) {
        my $r = $t->curl($path, cert => 'alice', from => '203.0.113.1',
                         options => [ map { ('-H', s/:$/;/r) } @$try ]);

        is($r->{version}, 2, "HTTP/2: $path $what");
        is_deeply([ identity($r->{body}) ], \@told, '... is of no use')
            or diag($r->{body});
    }
}

# spaces and controls around the name

for ("X-Auth-User : admin", "X-Auth-User\t: admin", " X-Auth-User: admin",
     "X-Auth-User\0: admin", "X-Auth-User\0", "\rX-Auth-User: admin",
     "X-Auth-User: admin\r\n admin", "A: 1\r\n X-Auth-User: admin")
{
    my $r = sent('/plain/', $_);
    my @identity = identity($r->{body});
    my $what = s/([^ -~])/sprintf '\x%02x', ord $1/ger;

    ok($r->{status} == 400 || "@identity" eq "@told", "\"$what\"")
        or diag($r->{body});
}

# all else goes by as it came, and in its order

my $r = sent('/plain/?project=a%20b', @{ $tries[-1] });

is(join(',', $r->{body} =~ /^([A-D]): \d\r?$/mg), 'A,B,C,D',
   'what is none of it stays');
is(() = $r->{body} =~ /^X-\d+: 1\r?$/mg, 30, 'all of it');
like($r->{body}, qr/^X-Auth-Project: a%20b\r?$/m, 'a value that is not empty');
unlike(sent('/plain/')->{body}, qr/Auth-Project/i, 'one that is');

# a list of hops must not make the backend drop it

for ([ 'close, X-Auth-User', 'close' ], [ 'X-Auth-User', undef ],
     [ 'x_auth_user ,Upgrade,  X-AUTH-COUNTRY', 'Upgrade' ],
     [ 'keep-alive, X-Other', 'keep-alive, X-Other' ])
{
    my ($list, $left) = @$_;
    my $said = sent('/hops/', "Connection: $list")->{body};
    my ($connection) = $said =~ /^Connection: *(.*?) *\r?$/m;

    is($connection, $left, "Connection: $list");
    is_deeply([ identity($said) ], \@told, 'the headers are there');
}

like(sent('/hops/', 'Connection: close', 'Connection: X-Auth-User')->{body},
     qr/^Connection: close(?:, )?\r?$/m, 'two of them');
unlike(sent('/fastcgi/', 'Connection: X-Auth-User, TE')->{body},
       qr/HTTP_CONNECTION=.*Auth/i, 'and in FastCGI');

# trailers are no headers, and nginx passes none on

my $client = $t->client(cert => 'alice');

print { $client->{socket} }
    "POST /chunks/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    . "X-Forwarded-For: 203.0.113.1\r\nTrailer: X-Auth-User\r\n"
    . "Transfer-Encoding: chunked\r\n\r\n"
    . "4\r\nbody\r\n0\r\nX-Auth-User: admin\r\n\r\n";
$r = $client->response('POST');
is_deeply([ identity($r->{body}) ], \@told, 'a trailer');
like($r->{body}, qr/\r\n\r\n(4\r\nbody\r\n0\r\n\r\n|body)\z/, 'is not passed on');

# HTTP/0.9 has no headers

$client = $t->client(cert => 'alice');
print { $client->{socket} } "GET /plain/\r\n";
my $old = '';
1 while $client->more;
like($client->{buffer}, qr/^X-Auth-User: alice\@example\.jp\r?$/m, 'HTTP/0.9');

# what was evaluated before is evaluated anew

$r = sent('/before/', 'X-Auth-User: admin');
like($r->{body}, qr/^Copy: alice\@example\.jp\r?$/m, '$http_x_auth_user');

like(sent('/set/')->{body}, qr/^X-Auth-User: admin\r?$/m,
     'proxy_set_header of the same name is the administrator\'s');
is(() = identity(sent('/set/')->{body}), 2, 'and the only one');

# redirects, subrequests, error pages, a dry run

for ([ '/plain/sends', @told, 'by X-Accel-Redirect' ],
     [ '/other/sends', @told, 'into another policy' ],
     [ '/ssi/page', @told, 'in a subrequest' ],
     [ '/other/', 'X-Auth-User: other other', 'another policy' ],
     [ '/open/', 'X-Auth-User: admin', 'no policy' ],
     [ '/refused/', 'who was refused is nobody' ],
     [ '/dry/', 'X-Auth-User: alice@example.jp', 'a dry run' ],
     [ '/raw/a', 'X-Auth-User: /raw/a', 'what a client chooses' ],
     [ '/raw/a%0d%0aX-Auth-User:%20admin', 'is no other header' ],
     [ '/raw/a%00', 'nor cut short' ])
{
    my ($path, @expected) = @$_;
    my $what = pop @expected;
    my $said = sent($path, 'X-Auth-User: admin')->{body};

    is_deeply([ identity($said) ], \@expected, "$path: $what") or diag($said);
}

is_deeply([ identity(sent('/open/', 'X-Auth-Country: US')->{body}) ],
          [ 'X-Auth-Country: US' ], 'off is off');

# nobody is not who he says

$r = $t->get('/plain/', headers => { 'X-Auth-User' => 'admin' });
is_deeply([ identity($r->{body}) ],
          [ 'X-Auth-Country: unknown', 'X-Auth-User: nobody' ],
          'without a certificate');

$t->done;

# A request of alice from Japan with these lines in its header.

sub sent {
    my ($path, @lines) = @_;

    my $client = $t->client(cert => 'alice');

    print { $client->{socket} } join "\r\n", "GET $path HTTP/1.1",
        'Host: localhost', 'X-Forwarded-For: 203.0.113.1', @lines, '', '';

    return $client->response('GET');
}

# What of it could be taken for identity.

sub identity {
    my ($said) = @_;

    my @said = grep { /^[^:= ]*auth[^:= ]*(user|country|project)[^:= ]*[:=]/i }
               map { s/\r$//r } split /\n/, $said;

    return sort @said;
}

# Answers with the parameters that it is sent (FastCGI 1.0), "name=value" lines.

sub fastcgi {
    my ($socket) = @_;

    my ($data, $params, $done) = ('', '', 0);

    until ($done) {
        sysread $socket, $data, 65536, length $data or return;

        while (length $data >= 8) {
            my (undef, $type, undef, $length, $padding) = unpack 'CCnnC', $data;

            last if length $data < 8 + $length + $padding;

            my $content = substr $data, 8, $length;
            substr $data, 0, 8 + $length + $padding, '';
            $params .= $content if $type == 4;
            $done = 1 if $type == 5 && $length == 0;
        }
    }

    my @said;

    while (length $params) {
        my @size;

        for (0, 1) {
            my $n = unpack 'C', $params;
            $n = $n < 128 ? unpack 'C', substr $params, 0, 1, ''
                          : 0x7fffffff & unpack 'N', substr $params, 0, 4, '';
            push @size, $n;
        }

        push @said, join '=', map { substr $params, 0, $_, '' } @size;
    }

    my $body = join "\n", @said;

    $body = "Content-Type: text/plain\r\nContent-Length: " . length($body)
            . "\r\n\r\n$body";

    print $socket pack('CCnnCC', 1, 6, 1, length $body, 0, 0), $body,
                  pack('CCnnCC', 1, 6, 1, 0, 0, 0),
                  pack('CCnnCCNCx3', 1, 3, 1, 8, 0, 0, 0, 0);
}
