#!/usr/bin/perl

# The page of gate_admin with more of everything than a view may show: 400
# users, projects, documents and holds.  No view has more than 300 rows, and
# page by page all of them can be seen.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";

use POSIX qw(strftime);
use Test::Gate;
use Test::More;

my $many = 400;
my $few = 60;
my ($user, $project) = ('user00001@example.go.jp', 'project-001');

my $t = Test::Gate->new;

$t->countries('203.0.113.0/24' => 'JP');

my $redis = $t->redis;

$t->nginx($t->conf(http => <<"END", server => <<'END2'));
    gate_redis { server unix:$redis->{socket}; timeout 5s; }

    gate_policy staff {
        certificate      off;
        user             \$http_x_user;
        unusual_country  report;
        quota            bytes=1g per=day;
    }
END
        gate_audit  redis;

        location /       { gate staff; }
        location /admin/ { gate_audit off; gate_admin write=on;
                           allow 127.0.0.1; deny all; }
END2

fill();

my $browser = $t->browser;

for my $screen ([ width => 1280 ], [ width => 390, touch => 1 ]) {
    $browser->page(height => 900, @$screen);

    for my $view ('now', 'user', "user/$user", 'project', "project/$project",
                  "incident?user=$user", 'exposure', 'exposure?by=projects',
                  'holds')
    {
        view($view);
        cmp_ok($browser->count('tr'), '<=', 300, "$screen->[1], #$view: rows");
        cmp_ok($browser->count('li'), '<=', 100, "$screen->[1], #$view: items");
    }
}

# page by page all of it can be seen

$browser->page(width => 1280, height => 900);

for ([ 'user', $many, 'user\d{5}' ], [ 'project', $many, 'project-\d{3}' ],
     [ "user/$user", $many, 'project-\d{3}' ],
     [ "project/$project", $many, 'user\d{5}' ],
     [ "incident?user=$user", $many, 'document-\d{3}' ],
     [ 'holds', $many + $few, 'held-\d{3}|why-\d\d' ], [ 'exposure', 100, 'user\d{5}' ],
     [ 'exposure?by=projects', 100, 'project-\d{3}' ])
{
    my ($view, $n, $name) = @$_;
    my %seen = walk($view, $name, '.pages a[rel=next]');

    is(scalar keys %seen, $n, "#$view: $n, page by page");
    is((sort { $b <=> $a } values %seen)[0], 1, "#$view: each on one of them");
}

# tables that stand beside others turn their pages by themselves

for ([ country => $few, '\([A-Z]{2}\)' ], [ hold => $few, 'why-\d\d' ],
     [ document => 100, 'document-\d{3}' ])
{
    my ($what, $n, $name) = @$_;
    my %seen = walk("user/$user", $name, 'button.next');

    is(scalar keys %seen, $n, "of a user, $what: $n, page by page");
    is((sort { $b <=> $a } values %seen)[0], 1, "$what: each on one of them");
}

# the exposure of more than the first hundred is looked at when asked for

view('exposure');
$browser->click('.note button');
$browser->until(q{/1–50 .*200/.test(document.querySelector('.pages').innerText)});
pass('more of the exposure');

is(join("\n", grep { !/ERR_ABORTED/ } @{ $browser->said }), '',
   'the console says nothing');

$t->done;

sub view {
    my ($view) = @_;

    $browser->open("/admin/#$view");
    $browser->until(q{document.querySelector('h1')
        && [...document.querySelectorAll('#view .empty')].every(p => p.hidden
            || p.checkVisibility() === false
            || !/One moment/.test(p.textContent))});
}

# What rows name by such a pattern, how often, on all pages: of the table that
# names most of them on the first.

sub walk {
    my ($view, $name, $next) = @_;

    my %seen;

    view($view);
    $browser->run(<<"END");
        window.named = one => [...one.querySelectorAll('tbody tr')]
            .map(tr => (/$name/.exec(tr.textContent) || [])[0]).filter(n => n),
        window.sheetOf = () =>
            ([...document.querySelectorAll('#view section:has(.pages span)')]
                .map(one => [ named(one).length, one ])
                .filter(([ n ]) => n)
                .sort((a, b) => b[0] - a[0])[0] || [])[1],
        window.shown = () => sheetOf()
                             && sheetOf().querySelector('.pages span').innerText
END
    $browser->until('sheetOf() && named(sheetOf()).length > 1');

    while (1) {
        my $rows = $browser->run('named(sheetOf())');

        $seen{$_}++ for @$rows;
        last if keys %seen > 2 * $many
                || !$browser->run("!!sheetOf().querySelector('$next')");

        $browser->run("window.was = shown(),"
                      . "sheetOf().querySelector('$next').click()");
        $browser->until('shown() && shown() !== was');
    }

    return %seen;
}

sub fill {
    my @now = gmtime;
    my $day = strftime('%Y-%m-%d', @now);
    my $at = strftime('%Y-%m-%dT%H:%M:%S.000Z', @now);

    system("$FindBin::Bin/bench/usage_seed --users=$many --projects=$many "
           . "--each=20 --days=1 $redis->{socket} >/dev/null") == 0
        or die 'usage_seed failed';

    # one user of all projects, one project of all users

    for my $span ($day, $day =~ s/-\d+$//r) {
        for my $n (1 .. $many) {
            $redis->command('HSET', "gate:{$user}/projects:$span",
                            sprintf('project-%03d', $n), "$n 1 1");
            $redis->command('HSET', "gate:{$project}/users:$span",
                            sprintf('user%05d@example.go.jp', $n), "$n 1 1");
            $redis->command('ZADD', "gate:{$project}/users:$span:top", $n,
                            sprintf('user%05d@example.go.jp', $n))
                if $span ne $day;
        }
    }

    for my $n (1 .. $many) {
        $redis->command('XADD', 'gate:events', '*', 'event',
            qq({"\@timestamp":"$at","event.kind":"event","event.action":)
            . qq("download","user.name":"$user","gate.document":)
            . sprintf('"/document-%03d"', $n)
            . qq(,"http.response.body.bytes":$n}));
        $redis->command('HSET', 'gate:holds', "h$n",
                        sprintf 'user=held-%03d', $n);
    }

    for my $n (1 .. $few) {
        $redis->command('HSET', "gate:{$user}:staff/countries",
                        since => int(time / 86400),
                        chr(65 + $n / 26) . chr(65 + $n % 26),
                        int(time / 86400));
        $redis->command('HSET', 'gate:holds', "u$n",
                        sprintf('user=%s reason=why-%02d', $user, $n));
    }

    $redis->command('HINCRBY', 'gate:holds', 'version', 1);
    $redis->command('PUBLISH', 'gate:holds', '');
}
