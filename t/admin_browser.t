#!/usr/bin/perl

# The page of gate_admin in Chromium: every view, what administrators do there
# and undo, by mouse and by keyboard, on a desk and on a phone, by day and by
# night, in English and in Japanese; names of anybody's, and two administrators
# on two nodes.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::Gate;
use Test::More;
use Time::HiRes qw(time);

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ }
                                   qw(output failure_output todo_output);

my $t = Test::Gate->new;
my $noon = $t->noon;

my @hostile = ('<script>hacked=1</script>', '"><img src=x onerror=hacked=1>',
               "'-hacked-'", "odd\x{202e}gnp.exe", '{{7*7}}', '#users',
               'x' x 4096);

Test::Gate::Countries::write("$t->{dir}/country.mmdb",
    '203.0.113.0/24' => { country => { iso_code => 'JP' },
                          location => { latitude => 35.5, longitude => 139.5,
                                        accuracy_radius => 20 } },
    '198.51.100.0/24' => { country => { iso_code => 'DE' },
                           location => { latitude => 52.5, longitude => 13.4,
                                         accuracy_radius => 20 } });
$t->document("projects/$_->[0]", $_->[1])
    for [ 'runway/plan.pdf', 300_000 ], [ 'runway/map.pdf', 70_000 ],
        [ 'core/net.pdf', 500_000 ], [ '<b>bold/x.pdf', 400_000 ];
$t->certificate('admin', email => 'admin@example.jp');
$t->certificate('other', email => 'other@example.jp');
$t->write_file('ca.crl', $t->crl('ca'));

my $redis = $t->redis;
my @port = ($t->{port}, $t->port);
my @nginx = map { $t->nginx(conf(), port => $_) } @port;

# what clients take, from which all views are filled

my (%taken, %of);

take('alice', 'runway/plan.pdf') for 1 .. 3;
take('alice', 'core/net.pdf');
take('bob', 'runway/map.pdf');
take('bob', 'runway/plan.pdf', '198.51.100.1');
take('carol', 'core/net.pdf', '192.0.2.1');
take($_, '<b>bold/x.pdf') for @hostile;
take("user$_", 'runway/map.pdf') for 1 .. 60;

ok($t->wait_for(sub { usage('users') >= 68 }), 'what they took is told');

my $browser = $t->browser;
my $as;

$browser->page(width => 1280, height => 800, cert => 'admin');
seen(1280, $_) for 0, 1;

$browser->page(width => 390, height => 800, language => 'ja-JP', touch => 1,
               cert => 'admin');
seen(390, $_) for 0, 1;

$browser->page(width => 1280, cert => 'admin', timezone => 'Asia/Tokyo');

sees_now();
stops_with_two_clicks();
updates_rows_in_place();
holds_and_lifts();
works_by_keyboard();
gives_extra_quota();
confirms_countries();
harms_nobody();
investigates();
keeps_what_was_chosen();
rests_while_hidden();

is(complaints($browser), '', 'the console says nothing');
is_deeply($browser->asked, [ "https://localhost:$port[0]" ],
          'it asked nobody else');
is($browser->run('typeof hacked'), 'undefined', 'names did no harm');

reads_only();
two_administrators();
tells_what_is_away();

$t->done;


# every view, by day or by night, on a screen

sub seen {
    my ($width, $dark) = @_;

    $browser->look(dark => $dark);

    for my $view (qw(now user user/alice project project/runway incident
                     incident?project=runway exposure exposure?by=projects
                     holds),
                  map { 'user/' . s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ger }
                      @hostile[0, 1])
    {
        my $what = "#$view, $width, " . ($dark ? 'dark' : 'light');

        view($view);
        is(join("\n", @{ $browser->axe }), '', "$what: accessible");
        cmp_ok($browser->run('document.documentElement.scrollWidth'), '<=',
               $width, "$what: as wide as the screen");
        cmp_ok($browser->count('tr'), '<=', 300, "$what: not too long");
        is($browser->count('script'), 1, "$what: no other script");
        is($browser->count('main img'), 0, "$what: no picture of anybody's");
    }
}

# the figures of "now" are those that clients saw

sub sees_now {
    view('now');

    my $bytes = 0;

    $bytes += $_ for values %taken;

    $browser->click('details summary');
    $browser->until(q{document.querySelectorAll('details tbody tr').length});

    is($browser->run(q{[...document.querySelectorAll(
           'details tbody td:nth-child(2)')].reduce((n, td) => n
           + Number(td.title.replace(/\D/g, '')), 0)}), $bytes,
       'now: all bytes that clients got');
    like($browser->run(q{document.querySelector('.legend').innerText}),
         qr/country 1/, 'now: who was refused, and why');
    like($browser->run(q{document.querySelector('.plot svg').ariaLabel}),
         qr/^Last hour: .*most in one minute/, 'now: drawings say it, too');
    is($browser->text('.most tbody th'), 'alice', 'now: who took most');
    $browser->until(q{document.querySelector('.most .share .bar').clientWidth});
    like($browser->text('.most td.share'), qr/^13%$/,
         'now: and what share of the quota');
    $browser->until(q{document.querySelector('.most td.line svg')});
    like($browser->run(q{document.querySelector('.most td.line svg').ariaLabel}),
         qr/^30 days: 1\.3 MiB/, 'now: a line of 30 days');

    my $parts = $browser->text('.parts');

    like($parts, qr/$_/, "now: $_") for 'Redis', 'country\.mmdb', 'ca\.crl',
                                        'accounts', 'redis: \d+ events';
}

sub stops_with_two_clicks {
    view('now');

    my $row = q{.most tr:has(bdi[title="alice"])};

    $browser->click("$row button");
    like($browser->text('dialog'),
         qr/refuse every request of alice.*cut downloads/s,
         'stop: it says what it will do to whom');
    is(join("\n", @{ $browser->axe }), '', 'stop: the dialog is accessible');
    $browser->click('dialog button.main');
    $browser->wait('.notices .undo');
    is(status('alice'), 403, 'stop: with the second click she is stopped');
    $browser->wait("$row .badge");

    is($browser->run(q{document.activeElement.textContent}), 'Undo',
       'stop: the focus is on what undoes it');
    $browser->click('.notices .undo');
    $browser->until(q{/Undone/.test(document.querySelector('.notices').innerText)});
    ok($t->wait_for(sub { status('alice') == 200 }), 'undo: she may go on');
    $browser->wait("$row button.bad");
}

# an update touches what is different

sub updates_rows_in_place {
    view('now');
    $browser->run(q{document.querySelectorAll('.most tbody tr')
                        .forEach(tr => tr.mark = 1)});
    take('bob', 'core/net.pdf') for 1 .. 4;
    $browser->until(q{document.querySelector('.most tbody th').innerText
                      === 'bob'});
    is($browser->run(q{document.querySelectorAll('.most tbody tr')[0].mark}), 1,
       'an update moves rows, and makes none anew');
}

sub holds_and_lifts {
    view('holds');
    $browser->choose('[name=kind]', 'project');
    $browser->fill('[name=subject]', 'runway');
    $browser->click('form.row button');
    $browser->fill('dialog [name=reason]', 'leaking <b>plans</b>');
    $browser->choose('dialog [name=slow]', '65536');
    like($browser->text('dialog p'), qr/runway leave at 64\.0 KiB per second/,
         'hold: what it will do changes with what is chosen');
    $browser->choose('dialog [name=until]', '8');
    $browser->click('dialog button.main');
    $browser->wait('tr:has(bdi[title="runway"])');

    my ($hold) = @{ admin('holds')->{holds} };

    is("@$hold{qw(kind subject slow by reason)}",
       'project runway 65536 admin@example.jp leaking <b>plans</b>',
       'hold: set, as it was filled in');
    cmp_ok(abs($hold->{until} - time - 8 * 3600), '<', 600, 'hold: until when');
    like($browser->text('tr:has(bdi[title="runway"])'),
         qr{64\.0 KiB/s.*admin\@example\.jp.*leaking <b>plans</b>}s,
         'hold: who set it, and why');

    $browser->click('tr:has(bdi[title="runway"]) button');
    like($browser->text('dialog p'),
         qr/runway may go on.*set by admin\@example\.jp: leaking/s,
         'lift: it says whom it lets go on');
    $browser->click('dialog button.main');
    $browser->until(q{!document.querySelector('tr bdi[title="runway"]')});
    is_deeply(admin('holds')->{holds}, [], 'lift: lifted');

    $browser->click('.notices .undo');
    $browser->wait('tr:has(bdi[title="runway"])');

    my ($again) = @{ admin('holds')->{holds} };

    is_deeply([ @$again{qw(id kind subject slow until reason)} ],
              [ @$hold{qw(id kind subject slow until reason)} ],
              'undo: the same hold again');
    $browser->click('tr:has(bdi[title="runway"]) button');
    $browser->click('dialog button.main');
    $browser->until(q{!document.querySelector('tr bdi[title="runway"]')});
}

# a hold is set, and lifted, without the mouse

sub works_by_keyboard {
    view('now');
    $browser->run('document.activeElement.blur(), scrollTo(0, 0)');
    $browser->run('getSelection().removeAllRanges()');
    $browser->reload;
    $browser->wait('.most tbody tr');

    $browser->press('Tab');
    is(focus(), 'Skip to the content', 'keyboard: first a way to the content');
    $browser->press('Enter');
    is($browser->run('document.activeElement.id'), 'main', 'keyboard: there');
    $browser->reload;
    $browser->wait('.most tbody tr');

    tab_to('Holds');
    $browser->press('Enter');
    $browser->until(q{document.querySelector('h1').innerText === 'Holds'});
    tab_to('', '[name=subject]');
    $browser->type('bob');
    $browser->press('Enter');
    $browser->wait('dialog[open]');
    tab_to('', 'dialog [name=reason]');
    $browser->type('by hand');
    $browser->press('Enter');
    $browser->until(q{!document.querySelector('dialog[open]')});
    is(status('bob'), 403, 'keyboard: bob is stopped');
    is(focus(), 'Undo', 'keyboard: the way back is next');
    $browser->press('Enter');
    ok($t->wait_for(sub { status('bob') == 200 }), 'keyboard: and taken');

    tab_to('', '[name=subject]');
    $browser->type('bob');
    $browser->press('Enter');
    $browser->wait('dialog[open]');
    $browser->press('Escape');
    $browser->until(q{!document.querySelector('dialog[open]')});
    is($browser->run('document.activeElement.name'), 'subject',
       'keyboard: Escape does nothing but go back');
    is(status('bob'), 200, 'keyboard: nothing at all');
}

sub gives_extra_quota {
    view('user/alice');
    $browser->wait('.sheet header button');
    $browser->click('.sheet header button');
    $browser->fill('dialog [name=amount]', '7');
    $browser->choose('dialog [name=unit]', '1024');
    $browser->fill('dialog [name=reason]', 'a "large" plan');
    like($browser->text('dialog p'), qr/alice may take this much more/,
         'extra: it says what it gives to whom');
    $browser->click('dialog button.main');
    $browser->wait('td .extra');

    my ($extra) = @{ admin('extra')->{extra} };

    is("@$extra{qw(user policy quota amount by reason)}",
       'alice users bytes-day 7168 admin@example.jp a "large" plan',
       'extra: given, as it was filled in');
    like($browser->text('td .extra'), qr/^\+7\.0 KiB until/, 'extra: shown');

    $browser->click('.notices .undo');
    $browser->until(q{!document.querySelector('td .extra')});
    is_deeply(admin('extra')->{extra}, [], 'extra: undone');

    # withdrawn, and that undone

    $browser->click('.sheet header button');
    $browser->fill('dialog [name=amount]', '1');
    $browser->click('dialog button.main');
    $browser->wait('td .extra');
    $browser->click('td .extra button');
    like($browser->text('dialog p'), qr/alice has 1\.0 MiB less of bytes-day/,
         'withdraw: it says what it takes from whom');
    $browser->click('dialog button.main');
    $browser->until(q{!document.querySelector('td .extra')});
    is_deeply(admin('extra')->{extra}, [], 'withdraw: done');
    $browser->click('.notices .undo');
    $browser->wait('td .extra');
    is(admin('extra')->{extra}[0]{amount}, 1048576, 'withdraw: undone');
}

sub confirms_countries {
    my $row = 'tr:has-text("Germany")';

    view('user/bob');
    $browser->wait($row);
    $browser->click("$row button");
    like($browser->text('dialog p'), qr/DE is usual for bob.*for ever/s,
         'country: it says what it will do to whom');
    $browser->click('dialog button.main');
    $browser->wait("$row:has-text(\"confirmed\")");
    is($redis->command('HGET', 'gate:{bob}:users/countries', 'DE'), 'always',
       'country: confirmed');
    $browser->click('.notices .undo');
    $browser->until(q{!/Germany/.test(document.querySelector('main').innerText)});
    is($redis->command('HGET', 'gate:{bob}:users/countries', 'DE'), undef,
       'country: undone');

    $browser->click('.notices .plain');
    is($browser->count('.notices li'), 0, 'what was read goes away');
    $browser->click('tr:has-text("within 20 km") button');
    like($browser->text('dialog p'), qr/bob.*cannot be undone/s,
         'place: it says that this is for ever');
    $browser->click('dialog button.main');
    $browser->until(q{!/within 20 km/.test(document.querySelector('main').innerText)});
    is($browser->count('.notices li:first-child .undo'), 0, 'place: it is');
}

# names of anybody's, in rows, dialogs, notices and holds

sub harms_nobody {
    my ($script, $image) = @hostile;

    view('user');
    is($browser->count('tr:has-text("odd‹U+202E›gnp.exe")'), 1,
       'names: a mark that turns the direction is spelled out');
    cmp_ok($browser->run(q{Math.max(...[...document.querySelectorAll('th')]
                               .map(th => th.innerText.length))}), '<', 200,
           'names: one without end is cut');
    is($browser->count('tr:has-text("xxxxxxxx") button'), 0,
       'names: who is not known by his whole name cannot be stopped by it');

    $browser->click(qq{tr:has-text("$script") button});
    is($browser->text('dialog h2'), "Stop $script?", 'names: in a dialog');
    $browser->fill('dialog [name=reason]', $image);
    $browser->click('dialog button.main');
    $browser->wait('.notices .undo');
    like($browser->text('.notices'), qr/^\Q$script\E is stopped/,
         'names: in a notice');
    is(status($script), 403, 'names: it is he who is stopped');

    view('holds');
    like($browser->text('tbody tr'), qr/\Q$script\E.*\Q$image\E/s,
         'names: in a hold');
    $browser->click('tbody tr button');
    $browser->click('dialog button.main');
    $browser->until(q{!document.querySelector('#view tbody tr')});

    is($browser->count('script'), 1, 'names: no script of theirs');
    is($browser->count('main img, dialog img'), 0, 'names: no picture');
}

# what was taken, as a page and as files: to the byte what clients got

sub investigates {
    view('incident');
    $browser->click('form.row button');
    like($browser->text('form .fault'), qr/of whom or of what/,
         'incident: of nobody is not asked');
    $browser->fill('[name=project]', 'runway');
    $browser->click('form.row button');
    $browser->wait('a[download]');

    is($browser->run(q{document.querySelector('#view dd').title.replace(/\D/g, '')}),
       $of{runway}, 'incident: the bytes that left');
    is($browser->count('tbody tr:has(a[title], bdi[title^="/projects"])'), 50,
       'incident: a page of it');
    $browser->click('a[rel=next]');
    $browser->until(q{/51–/.test(document.querySelector('.pages').innerText)});
    is($browser->run(q{new URLSearchParams(location.hash.split('?')[1]).get('page')}),
       2, 'incident: another, with an address of its own');

    my %rows;

    $rows{csv} = [ csv($browser->download('a[download$=".csv"]')) ];
    $rows{json} = decode_json($browser->download('a[download$=".json"]'))->{rows};

    for my $form (qw(csv json)) {
        my %got;

        $got{"$_->{user} $_->{document}"} += $_->{bytes} for @{ $rows{$form} };

        is_deeply({ map { $got{$_} ? ($_ => $got{$_}) : () } keys %got },
                  { map { m{ /projects/runway} ? ($_ => $taken{$_}) : () }
                    keys %taken },
                  "incident: as $form, what each client took of each document");
    }

    # more than one answer has: the file has all parts, or says that it is one

    rows_in_stream(20_500);
    view('incident?user=rows');
    like($browser->text('.warning'), qr/first part.*The CSV has all parts/s,
         'incident: that it is cut is told');
    is(join("\n", @{ $browser->axe }), '', 'incident: cut: accessible');

    my @all = csv($browser->download('button.all'));
    my $sum = 0;

    $sum += $_->{bytes} for @all;
    is_deeply([ scalar @all, $sum ], [ 20_500, 20_500 * 20_501 / 2 ],
              'incident: as CSV, all parts');
    $browser->until(q{!document.querySelector('button.all').disabled});

    my $part = decode_json($browser->download('a[download$="-part.json"]'));

    ok($part->{cut} && $part->{next}, 'incident: as JSON, a part that says so');
}

sub rows_in_stream {
    my ($rows) = @_;
    my @now = gmtime;

    $redis->command('EVAL', <<'END', 1, 'gate:events',
        for i = 1, tonumber(ARGV[2]) do
            redis.call('XADD', KEYS[1], '*', 'event', '{"@timestamp":"'
                .. ARGV[1] .. '","event.action":"download",'
                .. '"event.kind":"event","user.name":"rows","gate.document":"/'
                .. i .. '","http.response.body.bytes":' .. i .. '}')
        end
        return 1
END
        sprintf('%d-%02d-%02dT%02d:%02d:%02d.000Z', $now[5] + 1900,
                $now[4] + 1, @now[3, 2, 1, 0]), $rows);
}

# language, colours, and which view it was

sub keeps_what_was_chosen {
    view('user/alice');
    $browser->click('#language');
    $browser->until(q{document.documentElement.lang === 'ja'});
    is($browser->text('.tabs [aria-current]'), '利用者', 'in Japanese');
    $browser->click('#theme');

    my $dark = $browser->run('getComputedStyle(document.body).backgroundColor');

    $browser->reload;
    $browser->until(q{document.querySelector('h1').innerText === 'alice'});
    is($browser->run('document.documentElement.lang'), 'ja',
       'it stays so, and in the same view');
    is($browser->run('getComputedStyle(document.body).backgroundColor'), $dark,
       'and as dark');
    is($dark, 'rgb(20, 23, 27)', 'which is dark');

    $browser->click('#language');
    $browser->click('#theme');
    view('holds');
    $browser->back;
    $browser->until(q{document.querySelector('h1').innerText === 'alice'});
    pass('back is the view before');

    $browser->run(q{location.hash = '#%E0%A4%A/<script>'});
    $browser->until(q{document.querySelector('h1').innerText === 'Now'});
    pass('an address that is none is the first view');
}

sub rests_while_hidden {
    view('now');
    $browser->run(q{Object.defineProperty(document, 'hidden',
                        { get: () => window.unseen, configurable: true })});
    $browser->run('unseen = true');
    $browser->run(<<'END');
        new Promise(resolve => setTimeout(() => {
            performance.clearResourceTimings();
            setTimeout(resolve, 2500);
        }, 1500))
END
    is($browser->run(q{performance.getEntriesByType('resource').length}), 0,
       'while nobody looks it asks nothing');
    $browser->run(q{unseen = false,
                    document.dispatchEvent(new Event('visibilitychange'))});
    $browser->until(q{performance.getEntriesByType('resource').length > 2});
    pass('when somebody does it goes on');
}

sub reads_only {
    $browser->page(width => 1280, cert => 'admin');
    $as = '/look/';

    view('now');
    is($browser->count('main button:visible'), 0, 'read only: no button');
    is($browser->text('.badge.read'), 'Read only', 'read only: it says so');
    view('holds');
    is($browser->count('main form:visible'), 0, 'read only: no form');
    like($browser->text('.warning'), qr/write=on/, 'read only: and why');
    view('user/alice');
    is($browser->count('main button:visible'), 0, 'read only: of nobody');
    undef $as;
}

# each on a node of his own; each sees what the other did

sub two_administrators {
    my $other = $browser->other('other');

    $browser->page(width => 1280, cert => 'admin');
    $other->page(width => 1280, cert => 'other', port => $port[1]);

    $_->open('/admin/#holds') for $browser, $other;
    $_->until(q{/Nobody is stopped|alice/.test(document.body.innerText)})
        for $browser, $other;

    for ([ $browser, $other, 'alice' ], [ $other, $browser, 'bob' ]) {
        my ($one, $two, $user) = @$_;

        $one->fill('[name=subject]', $user);
        $one->click('form.row button');
        $one->click('dialog button.main');

        my $began = time;

        $two->wait(qq{tr:has(bdi[title="$user"])});
        diag(sprintf 'the other administrator saw the hold of %s after %.1f s',
             $user, time - $began);
        $two->until(qq{/stopped $user/.test(
                       document.querySelector('.notices').innerText)});
        pass("the hold of $user is seen and told on the other node");
    }

    # both lift the same: who comes second is told

    for ($browser, $other) {
        $_->click('tr:has(bdi[title="alice"]) button');
        $_->wait('dialog[open]');
    }

    $browser->click('dialog button.main');
    $browser->until(q{!document.querySelector('tr bdi[title="alice"]')});
    $other->click('dialog button.main');
    $other->until(q{/There is/.test(document.querySelector('dialog').innerText)});
    like($other->text('dialog [role=alert]'), qr/404/,
         'what is done already is said');
    $other->press('Escape');

    is(complaints($browser), '', 'the console of one says nothing');
    is(complaints($other, qr/status of 404/), '', 'nor that of the other');
}

sub tells_what_is_away {
    my $other = $browser->other('other');

    view('now');
    $redis->halt;
    $browser->until(q{document.querySelector('#view .fault:not([hidden])')});
    like($browser->text('#view .fault:not([hidden])'), qr/Redis/,
         'Redis is away: it says so');
    $redis->go_on;
    $browser->until(q{!document.querySelector('#view .fault:not([hidden])')});
    pass('Redis is back: no more');

    $nginx[1]->stop;
    $other->wait('#alarm');
    like($other->text('#alarm'), qr/No answer from the gate since \d\d:\d\d/,
         'the gate is away: it says since when');
}

# a view, once it has what it shows

sub view {
    my ($view) = @_;

    $browser->run(q{document.querySelectorAll('.notices .plain')
                        .forEach(button => button.click())});

    my $base = $as // '/admin/';

    $browser->open("$base#$view");
    $browser->until(q{document.querySelector('h1')
        && [...document.querySelectorAll('#view .empty')].every(p => p.hidden
            || p.checkVisibility() === false
            || !/One moment|読み込み中/.test(p.textContent))});
}

# goes on by Tab until a link or button of that text has the focus, or what a
# selector says

sub tab_to {
    my ($text, $selector) = @_;

    for (1 .. 80) {
        $browser->press('Tab');
        return if $selector ? $browser->run("document.activeElement.matches("
                                            . "'$selector')")
                            : focus() =~ /^\Q$text\E/;
    }

    fail("Tab does not come to " . ($selector // $text));
}

sub focus { return $browser->run('document.activeElement.innerText') }

# but for requests that ended with their view

sub complaints {
    my ($of, $known) = @_;

    return join "\n", grep { !/ERR_ABORTED/ && (!$known || !/$known/) }
                      @{ $of->said };
}

sub take {
    my ($user, $document, $from) = @_;

    my $bytes = $user;

    utf8::encode($bytes);

    my $r = $t->get('/projects/' . $document =~ s/([<>])/sprintf '%%%02X', ord $1/ger,
                    from => $from // '203.0.113.5',
                    headers => { 'X-User' => $bytes });
    my ($project) = $document =~ m{^(.*)/};

    if ($r->{status} == 200) {
        $taken{"$user /projects/$document"} += length $r->{body};
        $of{$project} += length $r->{body};
    }
}

# of a request that takes nothing

sub status {
    my ($user) = @_;

    return $t->get('/projects/runway/map.pdf', method => 'HEAD',
                   from => '203.0.113.5',
                   headers => { 'X-User' => $user })->{status};
}

sub admin {
    my ($path) = @_;

    return decode_json($t->get("/admin/v1/$path", cert => 'admin')->{body});
}

sub usage { return admin("usage?by=$_[0]")->{names} }

# RFC 4180, by its first line

sub csv {
    my ($text) = @_;

    my @lines;

    while ($text =~ /\G((?:"(?:[^"]|"")*"|[^",\r\n]*)(?:,(?:"(?:[^"]|"")*"|[^",\r\n]*))*)\r\n/g) {
        my @fields = "$1," =~ /("(?:[^"]|"")*"|[^",]*),/g;

        s/^"(.*)"$/$1/s && s/""/"/g for @fields;
        push @lines, \@fields;
    }

    my @names = @{ shift @lines };

    return map { my %row; @row{@names} = @$_; \%row } @lines;
}

sub conf {
    return $t->conf(http => <<"END", server => <<'END2');
    gate_redis { server unix:$redis->{socket}; timeout 5s; }

    map \$uri \$project { ~^/projects/(?<p>[^/]+)/ \$p; }

    gate_policy users {
        certificate      off;
        user             \$http_x_user;
        project          \$project;
        deny_country     unknown;
        unusual_country  report;
        max_speed        900km/h report;
        quota            bytes=10m per=day $noon;
        quota            requests=3000 per=1h;
    }
    gate_policy admins {
        user  \$gate_cert_email;
        crl   ca.crl;
    }
END
        gate        users;
        gate_audit  redis maxlen=10000;

        location /admin/ { gate off; gate_audit off; gate_admin write=on;
                           allow 127.0.0.1; deny all; }
        location /crl/   { gate admins; }
        location /look/  { gate off; gate_audit off; gate_admin;
                           allow 127.0.0.1; deny all; }
END2
}
