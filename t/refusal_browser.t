#!/usr/bin/perl

# The page as people see it: in Chromium with a client certificate, in English
# and Japanese, on a desk and on a phone, by day and by night.
#
#   TEST_SHOTS=DIR    keeps the pictures there

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::Gate;
use Test::More;

binmode $_, ':encoding(UTF-8)' for map { Test::More->builder->$_ }
                                   qw(output failure_output todo_output);

my %titles = (
    country => [ 'This service is not available from where you are',
                 'この国・地域からは利用できません' ],
    quota => [ 'This goes beyond your limit', '利用の上限を超えます' ],
    require => [ 'You do not have access to this place',
                 'アクセス権がありません' ],
    certificate => [ 'A valid certificate is needed',
                     '有効な証明書が必要です' ],
);

my @screens = (
    { name => 'desk', width => 1280, height => 800 },
    { name => 'phone', width => 375, height => 720, touch => 1 },
    { name => 'night', width => 1280, height => 800, dark => 1 },
);

my $t = Test::Gate->new;

$t->certificate('alice', email => 'alice@example.jp');
$t->countries('203.0.113.0/24' => 'JP');
$t->document('report', 300_000);
$t->redis;

$t->nginx($t->conf(http => <<'END' =~ s/%%NOON%%/$t->noon/er, server => <<'END2'));
    gate_redis { server unix:%%DIR%%/redis0.sock; timeout 5s; }

    gate_policy open     { user $gate_cert_email; }
    gate_policy country  { user $gate_cert_email; deny_country unknown; }
    gate_policy require  { user $gate_cert_email; require $arg_member; }
    gate_policy quota {
        user   $gate_cert_email;
        quota  bytes=200k per=day %%NOON%% name=daily;
    }
END
        location /open/     { gate open;     alias %%DIR%%/docs/; }
        location /country/  { gate country;  alias %%DIR%%/docs/; }
        location /require/  { gate require;  alias %%DIR%%/docs/; }
        location /quota/    { gate quota;    alias %%DIR%%/docs/; }
        location = /certificate/report { gate open; root %%DIR%%/docs; }
END2

my $browser = $t->browser;

for my $screen (@screens) {
    for my $language (0, 1) {
        for my $reason (sort keys %titles) {
            seen($screen, $language, $reason)
                if $screen->{name} eq 'desk' || $reason eq 'quota'
                   || ($reason eq 'certificate' && $screen->{touch});
        }
    }
}

$t->done;


sub seen {
    my ($screen, $language, $reason) = @_;

    my $tag = (qw(en ja))[$language];
    my $what = "$reason, $tag, $screen->{name}";
    my %screen = %$screen;
    delete $screen{name};

    $browser->page(%screen, language => (qw(en-GB ja-JP))[$language],
                   cert => $reason eq 'certificate' ? undef : 'alice');

    my $r = $browser->open("/$reason/report");

    is($r->{status}, $reason eq 'quota' ? 429 : 403, "$what: the status");
    is($browser->text('h1'), $titles{$reason}[$language], "$what: the title");
    is($browser->run('document.documentElement.lang'), $tag,
       "$what: the language");
    like($browser->text('footer code'), qr/^[0-9a-f]{32}$/,
         "$what: the reference");
    is($browser->count('dl'), $reason eq 'quota' ? 1 : 0, "$what: the limit");
    is($browser->run('document.documentElement.scrollWidth'), $screen->{width},
       "$what: as wide as the screen");

    # the style applied, though Content-Security-Policy allows nothing else

    is($browser->run("getComputedStyle(document.querySelector('main'))"
                     . '.borderTopWidth'), '4px', "$what: the style");

    is(join("\n", @{ $browser->axe }), '', "$what: accessible");
    is(join("\n", grep { !/status of \d{3}/ } @{ $browser->said }), '',
       "$what: no complaints");

    $browser->shot("$reason-$tag-$screen->{name}");
}
