package Test::Gate::Browser;

# A headless Chromium, as a person's with a client certificate: what a page
# looks like, says and does.  t/lib/browser/driver.js tells all orders.
#
#   my $browser = $t->browser;
#   $browser->page(cert => 'alice', language => 'ja-JP', width => 390, touch => 1);
#   is($browser->open('/report')->{status}, 403);
#   like($browser->text('h1'), qr/.../);
#   is_deeply($browser->said, []);
#   is_deeply($browser->axe, []);
#   $browser->shot('refusal');
#
# A page that is open beside, as of another person:
#
#   my $other = $browser->other('bob');
#   $other->page(cert => 'bob');

use strict;
use warnings;
use utf8;

use IPC::Open2;
use JSON::PP;

sub new {
    my ($class, %o) = @_;

    my $self = bless { %o, owner => $$ }, $class;
    my $test = $o{test};

    # nothing of it is left in anybody's home

    local @ENV{qw(HOME TMPDIR)} = ($test->dir, $test->dir);

    $self->{pid} = open2($self->{out}, $self->{in}, 'node',
                         $test->top . '/t/lib/browser/driver.js',
                         $test->top . '/build/browser/node_modules');

    return $self;
}

# Dies of what goes wrong, and of what takes longer than a minute.

sub order {
    my ($self, $do, %o) = @_;

    my $json = JSON::PP->new->utf8->allow_nonref;

    $o{world} = $self->{world} if defined $self->{world};

    print { $self->{in} } $json->encode({ %o, do => $do }), "\n";
    $self->{in}->flush;

    local $SIG{ALRM} = sub { die "the browser does not answer to \"$do\"\n" };
    alarm 60;
    my $line = readline $self->{out};
    alarm 0;

    my $answer = $json->decode($line // die "the browser has gone\n");

    utf8::encode($answer->{error}) if defined $answer->{error};
    die "$do: $answer->{error}\n" if defined $answer->{error};

    return $answer->{value};
}

# It ends with the one it is of.

sub other {
    my ($self, $world) = @_;

    return bless { %$self, world => $world, pid => undef }, ref $self;
}

# cert: a name, as with get(); port: another server's

sub page {
    my ($self, %o) = @_;

    my $test = $self->{test};

    $self->{origin} = 'https://localhost:' . (delete $o{port} // $test->{port});
    $o{cert} = $test->dir . "/$o{cert}.pem" if $o{cert} && $o{cert} !~ m{/};
    $_ = $_ ? JSON::PP::true : JSON::PP::false for @o{qw(dark touch)};

    return $self->order('page', %o, origin => $self->{origin});
}

sub open  { $_[0]->order('open', url => "$_[0]{origin}$_[1]") }
sub click { $_[0]->order('click', at => $_[1]) }
sub fill  { $_[0]->order('fill', at => $_[1], text => $_[2]) }
sub wait  { $_[0]->order('wait', at => $_[1]) }
sub text  { $_[0]->order('text', at => $_[1]) }
sub count { $_[0]->order('count', at => $_[1]) }
sub run   { $_[0]->order('run', script => $_[1]) }
sub until { $_[0]->order('until', script => $_[1]) }
sub choose { $_[0]->order('choose', at => $_[1], text => $_[2]) }
sub press { $_[0]->order('press', key => $_[1], times => $_[2] // 1) }
sub type  { $_[0]->order('type', text => $_[1]) }
sub back  { $_[0]->order('back') }
sub reload { $_[0]->order('reload') }
sub download { $_[0]->order('download', at => $_[1]) }
sub asked { $_[0]->order('asked') }
sub said  { $_[0]->order('said') }
sub axe   { $_[0]->order('axe') }

# dark: 0 or 1; width and height

sub look {
    my ($self, %o) = @_;

    $o{dark} = $o{dark} ? JSON::PP::true : JSON::PP::false if exists $o{dark};

    return $self->order('look', %o);
}

# A picture, "name.png" where TEST_SHOTS says; without it, with the test's files.

sub shot {
    my ($self, $name, %o) = @_;

    my $file = ($ENV{TEST_SHOTS} // $self->{test}->dir) . "/$name.png";

    $self->order('shot', file => $file, %o);

    return $file;
}

sub stop {
    my ($self) = @_;

    my $pid = $self->{pid} or return;
    return unless $$ == $self->{owner};

    delete $self->{pid};
    close $self->{in};

    # it ends by itself, and its Chromium with it

    local $SIG{ALRM} = sub { kill KILL => $pid };
    alarm 20;
    waitpid $pid, 0;
    alarm 0;
}

1;
