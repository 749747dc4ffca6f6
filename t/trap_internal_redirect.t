#!/usr/bin/perl

# A request that is redirected inside nginx is judged once and costs what
# leaves in the end.  Who was refused sees the error page, and only that.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

my $t = Test::Gate->new;

$t->certificate('alice', email => 'alice@example.jp');
$t->countries('203.0.113.0/24' => 'JP');

my $document = $t->document('report', 300_000);
my $sorry = $t->document('sorry', 2_000);

$t->write_file('docs/sorry.shtml', 'sorry<!--# include virtual="/cert/report"'
               . ' -->.');

my $redis = $t->redis;

$t->nginx($t->conf(http => <<'END', server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 2s; }

    gate_policy counted {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }

    gate_policy other {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=100k per=day;
        lease        4m idle=1s;
    }

    gate_policy tiny {
        certificate  off;
        user         $http_x_user;
        quota        bytes=10m per=day;
        quota        requests=1 per=day;
        lease        4m idle=1s;
    }

    gate_policy people {
        user         $gate_cert_email;
    }

    server {
        listen  unix:%%DIR%%/backend.sock;

        location / {
            add_header  X-Accel-Redirect  /inside$request_uri;
            return      200 "never to be seen";
        }
        location /free/ {
            add_header  X-Accel-Redirect  /inside-free/report;
            return      200 "never to be seen";
        }
        location /other/ {
            add_header  X-Accel-Redirect  /inside-other/report;
            return      200 "never to be seen";
        }
        location /named/ {
            add_header  X-Accel-Redirect  @named;
            return      200 "never to be seen";
        }
        location /bad { return 502 "a long story of the backend"; }
    }
END
        gate  counted;

        location / { proxy_pass http://unix:%%DIR%%/backend.sock:/; }

        location /inside/ {
            internal;
            alias  %%DIR%%/docs/;
        }
        location /inside-free/ {
            internal;
            gate   off;
            alias  %%DIR%%/docs/;
        }
        location /inside-other/ {
            internal;
            gate   other;
            alias  %%DIR%%/docs/;
        }
        location @named {
            root     %%DIR%%/docs;
            rewrite  ^ /report break;
        }

        location /error/ {
            root        %%DIR%%/none;
            error_page  404 =200 /inside/report;
        }
        location /error404/ {
            root        %%DIR%%/none;
            error_page  404 /inside/report;
        }
        location /errornamed/ {
            root        %%DIR%%/none;
            error_page  404 =200 @named;
        }
        location /try/ { try_files /none$uri /none /inside/report; }
        location /trynamed/ { try_files /none$uri @named; }
        location /intercept/ {
            proxy_pass              http://unix:%%DIR%%/backend.sock:/bad;
            proxy_intercept_errors  on;
            error_page              502 =200 /inside/report;
        }
        location /index/ {
            alias  %%DIR%%/docs/;
            index  report;
        }

        location /tiny/ {
            gate        tiny;
            alias       %%DIR%%/docs/;
            error_page  429 /sorry;
        }
        location = /sorry {
            gate  tiny;
            root  %%DIR%%/docs;
        }

        location /cert/ {
            gate        people;
            alias       %%DIR%%/docs/;
            error_page  403 /cert/sorry;
        }
        location /certssi/ {
            gate        people;
            alias       %%DIR%%/docs/;
            error_page  403 /certssi/sorry.shtml;
        }
        location = /certssi/sorry.shtml {
            gate       people;
            alias      %%DIR%%/docs/sorry.shtml;
            ssi        on;
            ssi_types  *;
        }
        location /certother/ {
            gate        people;
            error_page  403 /inside-other/report;
        }
END2

my @redirects = (
    [ '/report', 'X-Accel-Redirect' ],
    [ '/named/report', 'X-Accel-Redirect to a named location' ],
    [ '/error/report', 'error_page to a document' ],
    [ '/errornamed/report', 'error_page to a named location' ],
    [ '/try/report', 'try_files' ],
    [ '/trynamed/report', 'try_files to a named location' ],
    [ '/intercept/report', 'proxy_intercept_errors' ],
    [ '/index/', 'an index file' ],
);

my (@came, $n);

for my $http ('1.1', '2') {
    for (@redirects) {
        my ($uri, $what) = @$_;
        my $user = 'user' . ++$n;
        my $r = $t->as($http, $user, $uri);

        ok($r->{status} == 200 && $r->{body} eq $document,
           "HTTP/$http: $what: the document came");
        push @came, [ "{$user}:counted", 300_000, 1, "HTTP/$http: $what" ];
    }

    my $r = $t->as($http, "e404-$http", '/error404/report');
    is("$r->{status} " . length $r->{body}, '404 300000',
       "HTTP/$http: error_page that keeps its status");
    push @came, [ "{e404-$http}:counted", 300_000, 1,
                  "HTTP/$http: error_page that keeps its status" ];

    $r = $t->as($http, "part-$http", '/report',
                headers => { Range => 'bytes=5-104' });
    is("$r->{status} " . length $r->{body}, '206 100',
       "HTTP/$http: a range of X-Accel-Redirect");
    push @came, [ "{part-$http}:counted", 100, 1,
                  "HTTP/$http: a range of X-Accel-Redirect" ];

    # the policy that stands where it began counts it where none stands

    $r = $t->as($http, "free-$http", '/free/report');
    ok($r->{body} eq $document, "HTTP/$http: to a place without a gate");
    push @came, [ "{free-$http}:counted", 300_000, 1,
                  "HTTP/$http: to a place without a gate" ];

    # both judge; the bytes are the second's

    $r = $t->as($http, "other-$http", '/other/report');
    ok($r->{body} eq $document, "HTTP/$http: to another policy");
    push @came, [ "{other-$http}:counted", 0, 1,
                  "HTTP/$http: to another policy, the first" ],
                [ "{other-$http}:other", 300_000, 1,
                  "HTTP/$http: to another policy, the second" ];
}

is($t->as('1.1', 'user', '/inside/report')->{status}, 404,
   'what is internal stays internal');

# error pages of the refused

for my $http ('1.1', '2') {
    my $user = "tiny-$http";

    is($t->as($http, $user, '/tiny/report')->{status}, 200,
       "HTTP/$http: a user with one request has it");

    my $r = $t->as($http, $user, '/tiny/report');
    is($r->{status}, 429, "HTTP/$http: the next is refused");
    ok($r->{body} eq $sorry, "HTTP/$http: with the error page");
    like($r->{headers}{'retry-after'} // '', qr/^\d+$/,
         "HTTP/$http: and with Retry-After");

    $r = $t->as($http, $user, '/sorry');
    is($r->{status}, 429, "HTTP/$http: the page itself is refused");

    push @came, [ "{$user}:tiny", 300_000, 1,
                  "HTTP/$http: error page of the refused" ];

    $user = "nobody-$http";
    $r = $t->as($http, $user, '/cert/report');
    is($r->{status}, 403, "HTTP/$http: without a certificate: refused");
    ok($r->{body} eq $sorry, "HTTP/$http: with the error page of 403");

    $r = $t->as($http, $user, '/cert/sorry');
    is($r->{status}, 403, "HTTP/$http: the page itself is 403 too");
    $r = $t->as($http, $user, '/cert/report',
                headers => { Range => 'bytes=0-9' });
    is($r->{status}, 403, "HTTP/$http: a range of it is 403 too");

    $r = $t->as($http, $user, '/certssi/report');
    is($r->{status}, 403, "HTTP/$http: refused with a page that includes");
    like($r->{body}, qr/^sorry/, "HTTP/$http: the page came");
    is(index($r->{body}, substr $document, 0, 100), -1,
       "HTTP/$http: nothing that needs a certificate is in it");

    $r = $t->as($http, $user, '/certother/report');
    ok($r->{body} eq $document,
       "HTTP/$http: a page under another policy is judged by that");
    push @came, [ "{$user}:other", 300_000, 1,
                  "HTTP/$http: a page under another policy" ];
}

for (@came) {
    my ($account, $bytes, $requests, $what) = @$_;
    is($t->taken($redis, $account, $bytes, $requests), "$bytes $requests",
       "$what: costs what came, once");
}

$t->done;
